"""Cases in, results out: what `burnish grade` reads and writes. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.errors import UserError
from burnish.reward_spec import TRITON_PARTS, RewardDefinition, RewardLimits
from svc_reward.contract import Case
from svc_reward.outcome import Outcome

MAX_CASES = 1_000_000


@dataclass(frozen=True, slots=True)
class GradedCase:
    """One line of a case file.

    Attributes:
        id: names it in the results.
        case: what is judged.
        definition: what judges it.
        group: cases of one group are compared, by rewards that compare.
        digest: of all of the above, so that a changed case is graded again.
    """

    id: str
    case: Case
    definition: RewardDefinition
    group: str
    digest: str = field(repr=False)


def parse_cases(
    lines: Iterable[str],
    default: RewardDefinition | None,
    where: str,
    limits: RewardLimits | None = None,
) -> Iterator[GradedCase]:
    """Read case lines.

    Args:
        lines: JSON objects, one a line.
        default: judges the cases without a reward of their own.
        where: names the file in errors.
        limits: of rewards that cases bring along.

    Raises:
        UserError: a line cannot be a case; names the line and the field.
    """
    seen: dict[str, int] = {}
    sources = _Sources(limits or RewardLimits())
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{where} line {number}"
        found = _parse_case(line, default, sources, place)
        if found.id in seen:
            raise UserError(f"{found.id!r} is in line {seen[found.id]} too", field=f"{place}: id")
        seen[found.id] = number
        yield found
    if not seen:
        raise UserError(f"{where} holds no case", field="cases")


def _parse_case(
    line: str,
    default: RewardDefinition | None,
    sources: "_Sources",
    place: str,
) -> GradedCase:
    data = _object(line, place)
    definition = _definition(data, default, sources, place)
    case = Case(
        prompt=_text(data, "prompt", place, default=""),
        completion=_text(data, "completion", place),
        example=_columns(data.get("example"), place),
    )
    key = json.dumps([case.prompt, case.completion, sorted(case.example.items())])
    digest = hashlib.sha256(f"{definition.revision}{key}".encode(errors="replace")).hexdigest()
    group = str(data.get("group", ""))
    return GradedCase(_id(data, place), case, definition, group, digest[:16])


def _object(line: str, place: str) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise UserError(f"is not valid JSON: {error}", field=place) from None
    except RecursionError:
        raise UserError("is nested too deeply", field=place) from None
    if not isinstance(data, dict):
        raise UserError("is not a JSON object", field=place, hint='{"id": ..., "completion": ...}')
    return data


def _id(data: Mapping[str, Any], place: str) -> str:
    value = data.get("id")
    if isinstance(value, int | str) and not isinstance(value, bool) and str(value):
        return str(value)
    raise UserError("every case needs an `id`, text or number", field=f"{place}: id")


def _text(data: Mapping[str, Any], key: str, place: str, default: str | None = None) -> str:
    value = data.get(key, default)
    if value is None:
        raise UserError(f"every case needs a `{key}`", field=f"{place}: {key}")
    if not isinstance(value, str):
        raise UserError("must be text", field=f"{place}: {key}")
    return value


def _columns(value: object, place: str) -> Mapping[str, str]:
    """Every column as text, as datasets have it."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError("must be an object of columns", field=f"{place}: example")
    return {
        str(name): item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        for name, item in value.items()
    }


def _definition(
    data: Mapping[str, Any],
    default: RewardDefinition | None,
    sources: "_Sources",
    place: str,
) -> RewardDefinition:
    source = data.get("reward")
    if source is None:
        if default is None:
            raise UserError(
                "no reward judges this case",
                field=f"{place}: reward",
                hint="give it a source, or the command --reward",
            )
        return default
    if not isinstance(source, str):
        raise UserError("must be the source of a reward", field=f"{place}: reward")
    try:
        return sources.definition(source)
    except UserError as error:
        raise UserError(error.message, field=f"{place}: reward", hint=error.hint) from None


class _Sources:
    """Definitions of the sources in a file, each checked once."""

    def __init__(self, limits: RewardLimits) -> None:
        self._limits = limits.model_dump(exclude_defaults=True)
        self._known: dict[str, RewardDefinition] = {}

    def definition(self, source: str) -> RewardDefinition:
        if source not in self._known:
            data = {"source": source, "limits": self._limits}
            self._known[source] = RewardDefinition.parse(data)
        return self._known[source]


def result(case: GradedCase, outcome: Outcome) -> dict[str, object]:
    """One line of a result file."""
    return {
        "id": case.id,
        "status": outcome.status.name.lower(),
        "score": outcome.value,
        "scores": scores(case.definition, outcome),
        "flags": list(outcome.flags),
        "message": outcome.message,
        "stdout": outcome.stdout,
        "seconds": round(outcome.seconds, 6),
        "cpu_ms": round(outcome.cpu_ms, 3),
        "isolation": outcome.isolation,
        "image": outcome.image,
        "seed": outcome.seed,
        "revision": case.definition.revision,
        "case": case.digest,
    }


def scores(definition: RewardDefinition, outcome: Outcome) -> dict[str, float | None]:
    """The parts; stages of a kernel are always there, and null where they were not measured."""
    parts: dict[str, float | None] = dict(outcome.parts)
    if definition.preset is not None and not outcome.infrastructure and parts:
        parts = dict.fromkeys(TRITON_PARTS) | parts
    return parts


def finished(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Results of an earlier run that stand, by id; a last line that was cut off is left out."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict) and data.get("status") not in {
            "sandbox_unavailable",
            "lane_error",
        }:
            found[str(data.get("id"))] = data
    return found


def read_lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cannot read {path}: {reason}") from None
