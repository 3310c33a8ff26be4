"""`python -m svc_reward.grade`: judges a file of cases in the sandbox, with no bus and no job.

`burnish grade` starts it and shows its progress. What it says on standard output is one JSON object a
line: `{"done", "total", "status"}` for each case, and `{"error", "bad_input"}` where it cannot go on.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

from burnish import logs
from burnish.errors import BurnishError, RetryableError, UserError
from burnish.reward_spec import RewardDefinition, RewardLimits
from svc_reward import outcome
from svc_reward.config import RewardSettings
from svc_reward.graders import Graders
from svc_reward.grading import GradedCase, finished, parse_cases, read_lines, result
from svc_reward.judge import Judge
from svc_reward.outcome import Outcome
from svc_reward.packages import Packages
from svc_reward.sandbox import Sandbox
from svc_reward.secrets_folder import Secrets


@dataclass(frozen=True, slots=True)
class Order:
    """What to do.

    Attributes:
        cases: file of cases.
        out: file of results; what stands in it already is kept.
        definition: judges the cases without a reward of their own.
        limits: of the rewards that cases bring along.
    """

    cases: Path
    out: Path
    definition: RewardDefinition | None
    limits: RewardLimits

    @classmethod
    def parse(cls, text: str) -> Self:
        data: Mapping[str, Any] = json.loads(text)
        given = data["definition"]
        definition = None if given is None else RewardDefinition.parse(given)
        return cls(
            Path(data["cases"]),
            Path(data["out"]),
            definition,
            RewardLimits.model_validate(data["limits"]),
        )


async def grade(order: Order, settings: RewardSettings) -> None:
    """Judge what has not been judged, at most `reward_lanes` cases at a time.

    Raises:
        UserError: a case cannot be read, or a reward cannot be used here.
        RetryableError: there is no sandbox.
    """
    lines = read_lines(order.cases)
    cases = list(parse_cases(lines, order.definition, order.cases.name, order.limits))
    known = finished(read_lines(order.out)) if order.out.exists() else {}
    kept = {case.id: known[case.id] for case in cases if _stands(case, known)}
    sandbox = Sandbox(settings)
    await sandbox.open()
    try:
        if sandbox.problem:
            raise RetryableError(sandbox.problem)
        judge = Judge(
            sandbox,
            Graders(sandbox),
            Packages(settings.reward_packages),
            Secrets(settings.reward_secrets),
        )
        with _writable(order.out) as file:
            run = Run(judge, file, total=len(cases), done=len(kept))
            for line in kept.values():
                run.write(line)
            run.say({"done": run.done, "total": run.total, "kept": len(kept)})
            await run.all([case for case in cases if case.id not in kept], settings.reward_lanes)
    finally:
        await sandbox.close()
    _in_order(order.out, cases)


def _stands(case: GradedCase, known: Mapping[str, Mapping[str, Any]]) -> bool:
    return known.get(case.id, {}).get("case") == case.digest


def _writable(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", field="--out") from None


def _in_order(path: Path, cases: Sequence[GradedCase]) -> None:
    """Results as they came are in no order; at the end they are in that of the cases."""
    lines = {json.loads(line)["id"]: line for line in path.read_text(encoding="utf-8").splitlines()}
    scratch = path.with_name(f".{path.name}.sorted")
    scratch.write_text("".join(f"{lines[case.id]}\n" for case in cases), encoding="utf-8")
    scratch.replace(path)


class Run:
    """One pass over cases."""

    def __init__(self, judge: Judge, file: TextIO, *, total: int, done: int) -> None:
        self._judge = judge
        self._file = file
        self.total = total
        self.done = done

    async def all(self, cases: Iterable[GradedCase], lanes: int) -> None:
        units: asyncio.Queue[Sequence[GradedCase]] = asyncio.Queue()
        for unit in _units(cases):
            units.put_nowait(unit)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(lanes, units.qsize())):
                group.create_task(self._work(units))

    async def _work(self, units: asyncio.Queue[Sequence[GradedCase]]) -> None:
        while not units.empty():
            unit = units.get_nowait()
            for case, found in zip(unit, await self._judged(unit), strict=True):
                self.done += 1
                line = result(case, found)
                self.write(line)
                self.say({"done": self.done, "total": self.total, "status": line["status"]})

    async def _judged(self, unit: Sequence[GradedCase]) -> Sequence[Outcome]:
        first = unit[0]
        try:
            if first.definition.group:
                texts = [each.case.completion for each in unit]
                return await self._judge.evaluate_group(first.definition, first.case, texts)
            return [await self._judge.evaluate(first.definition, first.case)]
        except RetryableError as error:
            return [outcome.unavailable(str(error))] * len(unit)

    def write(self, line: Mapping[str, object]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def say(self, event: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def _units(cases: Iterable[GradedCase]) -> list[list[GradedCase]]:
    """What is judged together: a group where a reward compares, else one case."""
    alone: list[list[GradedCase]] = []
    groups: defaultdict[tuple[str, str], list[GradedCase]] = defaultdict(list)
    for case in cases:
        if case.definition.group and case.group:
            groups[case.definition.revision, case.group].append(case)
        else:
            alone.append([case])
    return alone + list(groups.values())


def main() -> None:
    """Run the order in the first argument."""
    try:
        settings = RewardSettings.load()
        if "log_level" not in settings.model_fields_set:
            settings = settings.model_copy(update={"log_level": "error"})
        logs.configure("grade", settings)
        asyncio.run(grade(Order.parse(sys.argv[1]), settings))
    except* BurnishError as group:
        error = group.exceptions[0]
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        words = {"error": str(error), "bad_input": isinstance(error, UserError)}
        sys.stdout.write(json.dumps(words) + "\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
