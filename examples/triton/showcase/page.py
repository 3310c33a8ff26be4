"""The part of `docs/showcase.md` that results write: tables between markers. Pure."""

from collections.abc import Sequence

from examples.triton.showcase.intervals import Estimate
from examples.triton.showcase.ledger import Run
from examples.triton.showcase.summary import Line

HEAD = (
    "| arm | seeds | greedy | sampled | pass@k | greedy, gain | sampled, gain | min a run |",
    "|---|---|---|---|---|---|---|---|",
)


def section(lines: Sequence[Line], images: Sequence[str]) -> str:
    """The table and the plots of one study, or that nothing was measured."""
    if not lines:
        return "Nothing was measured yet."
    runs = [run for line in lines for run in line.runs]
    parts = [_caption(runs), "\n".join([*HEAD, *map(_row, lines)]), *images]
    failures = [_failure(line) for line in lines if line.failed]
    return "\n\n".join([*parts, *failures])


def replace(page: str, name: str, text: str) -> str:
    """The page with other text between `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises:
        ValueError: the page lacks the markers.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page lacks {begin} or {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _caption(runs: Sequence[Run]) -> str:
    answers = runs[0].answers
    revisions = ", ".join(sorted({run.revision for run in runs}))
    return (
        f"{len(answers.greedy)} operations, answers drawn for each: k = {answers.samples}; "
        f"{len(runs)} runs of revision {revisions}. Mean ± half of the 95 % interval over seeds; "
        "gains are over the best SFT-only arm of that column, seed by seed."
    )


def _row(line: Line) -> str:
    title = f"**{line.arm.title}**" if line.arm.role == "main" else line.arm.title
    cells = [
        title,
        str(len(line.runs)),
        str(line.greedy),
        str(line.sampled),
        str(line.any_of),
        _signed(line.greedy_gain),
        _signed(line.sampled_gain),
        f"{line.minutes:.1f}" if line.minutes else "",
    ]
    return f"| {' | '.join(cells)} |"


def _signed(gain: Estimate | None) -> str:
    if gain is None:
        return ""
    return f"{'+' if gain.mean >= 0 else ''}{gain}"


def _failure(line: Line) -> str:
    failed = next(run for run in line.runs if run.state == "failed")
    return f"{line.failed} of {len(line.runs)} runs of “{line.arm.title}” failed: {failed.message}"
