"""The table at the end: each held-out row with what base, warmed-up and tuned model answered."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burnish.demo.result import Answer, HeldOutRow, Result

_NAMES = {"base": "base model", "sft": "after SFT", "final": "tuned"}
_MAX_ANSWER = 120


def show(result: Result, console: Console) -> None:
    """Print the comparison and its summary."""
    stages = list(result.heldout)
    if console.is_terminal:
        _show_table(result, stages, console)
    else:
        _show_lines(result, stages, console)
    console.print(Text(summary(result), style="bold"))


def summary(result: Result) -> str:
    """One line: correctness and reward from stage to stage."""
    correct = _journey({stage: f"{value:.0%}" for stage, value in result.correct.items()})
    reward = _journey({stage: f"{value:.2f}" for stage, value in result.heldout.items()})
    minutes, seconds = divmod(round(result.seconds.get("job", 0)), 60)
    return (
        f"{len(result.rows)} held-out rows, {result.headline}: {correct}; reward: {reward}; "
        f"{minutes}:{seconds:02d} min."
    )


def _journey(values: dict[str, str]) -> str:
    return " → ".join(f"{_NAMES[stage]} {value}" for stage, value in values.items())


def _show_table(result: Result, stages: list[str], console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="Held-out rows", title_justify="left")
    table.add_column("asked for", overflow="fold", ratio=3)
    for stage in stages:
        table.add_column(_NAMES[stage], overflow="fold", ratio=4)
    for row in result.rows:
        answers = (_answer(row.answers.get(stage)) for stage in stages)
        table.add_row(Text(_first_line(row.subject)), *answers)
    console.print(table)


def _show_lines(result: Result, stages: list[str], console: Console) -> None:
    for row in result.rows:
        console.print(Text(_first_line(row.subject)))
        for stage in stages:
            console.print(Text(f"  {_NAMES[stage]:<10}  {_plain(row, stage)}"))


def _answer(answer: Answer | None) -> Text:
    if answer is None:
        return Text("")
    correct = answer.correct or 0
    style = "green" if correct >= 1 else "yellow" if correct > 0 else "red"
    text = Text(f"{_mark(answer)} ", style=style)
    return text.append(_one_line(answer.text) or "(nothing)", style="default")


def _plain(row: HeldOutRow, stage: str) -> str:
    answer = row.answers.get(stage)
    if answer is None:
        return ""
    reward = "not judged" if answer.reward is None else f"reward {answer.reward:.2f}"
    return f"{_mark(answer)} ({reward})  {_one_line(answer.text) or '(nothing)'}"


def _mark(answer: Answer) -> str:
    if answer.correct is None:
        return "?"
    if answer.correct in {0.0, 1.0}:
        return "✓" if answer.correct else "✗"
    return f"{answer.correct:.2f}"


def _first_line(subject: str) -> str:
    return _one_line(next(filter(None, map(str.strip, subject.splitlines())), ""))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ANSWER else f"{line[: _MAX_ANSWER - 1]}…"
