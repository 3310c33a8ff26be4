"""From the files of `burnish grade` to samples. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.errors import UserError
from burnish.tasks.metrics import Sample

SAMPLE_MARK = "#"
"""Ids `TASK#0`, `TASK#1`, … are samples of one task."""
STAGES = ("format", "compiled", "correct")
NO_VERDICT = frozenset({"sandbox_unavailable", "lane_error", "error"})
"""The sandbox or the task failed, which says nothing about the kernel."""

Place = tuple[str, int]
"""A sample's task and level."""


@dataclass(frozen=True, slots=True)
class Graded:
    """What a file of results holds.

    Attributes:
        samples: of kernels that were judged.
        unjudged: number of results without a verdict, for each status.
    """

    samples: tuple[Sample, ...]
    unjudged: Mapping[str, int]


def parse(
    results: Iterable[str], cases: Iterable[str] = (), *, where: str, cases_name: str = ""
) -> Graded:
    """Read result lines.

    Args:
        results: JSON objects, one a line.
        cases: what was judged, for tasks and levels.
        where: names the file of results in errors.
        cases_name: that of the cases.

    Raises:
        UserError: a line is no result of the `triton` preset, or no case.
    """
    places = dict(_places(cases, cases_name))
    samples: list[Sample] = []
    unjudged: Counter[str] = Counter()
    for place, data in _objects(results, where):
        status = data.get("status")
        if not isinstance(status, str) or "id" not in data:
            raise UserError("is no result of `burnish grade`", field=place)
        if status in NO_VERDICT:
            unjudged[status] += 1
        else:
            samples.append(_sample(data, places, place))
    return Graded(tuple(samples), dict(unjudged))


def _sample(data: Mapping[str, Any], places: Mapping[str, Place], where: str) -> Sample:
    name = str(data["id"])
    task, level = places.get(name) or (name.rpartition(SAMPLE_MARK)[0] or name, 0)
    scores, flags = data.get("scores") or {}, tuple(data.get("flags") or ())
    if data["status"] == "ok" and any(stage not in scores for stage in STAGES):
        raise UserError(
            "has no score of a kernel",
            field=f"{where}: scores",
            hint="results come from `burnish grade --reward triton`",
        )
    reached = {stage: scores.get(stage) == 1 for stage in STAGES}
    return Sample(
        task=task,
        level=level,
        format=reached["format"],
        compiled=reached["compiled"],
        correct=reached["correct"] and reached["compiled"] and not flags and data["status"] == "ok",
        speedup=scores.get("speedup"),
        flags=flags,
    )


def _places(cases: Iterable[str], where: str) -> Iterator[tuple[str, Place]]:
    """Each case's task: its `group`, else its example's id or name, else what its own id says."""
    for place, data in _objects(cases, where):
        example = data.get("example") or {}
        if "id" not in data or not isinstance(example, dict):
            raise UserError("is no case of `burnish grade`", field=place)
        name = str(data["id"])
        given = data.get("group") or example.get("id") or example.get("name")
        task = str(given or name.rpartition(SAMPLE_MARK)[0] or name)
        level = str(example.get("level", ""))
        yield name, (task, int(level) if level.isdecimal() else 0)


def _objects(lines: Iterable[str], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise UserError("is no JSON object", field=f"{where} line {number}")
        yield f"{where} line {number}", data
