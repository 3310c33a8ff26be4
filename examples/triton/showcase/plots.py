"""Plots of a study: the arms on the test rows, and how training went."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from examples.triton.showcase.intervals import Estimate, estimate
from examples.triton.showcase.ledger import Run
from examples.triton.showcase.study import Study
from examples.triton.showcase.summary import Line

Points: TypeAlias = Mapping[int, Sequence[float]]
"""RL step → the values of the seeds."""

GREEDY, SAMPLED = "#1f77b4", "#ff7f0e"
MOST_CURVES = 5

STYLE: Any = {
    "svg.hashsalt": "showcase",  # equal results give equal files
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def write(study: Study, lines: Sequence[Line], folder: Path) -> Mapping[str, str]:
    """Draw everything there is to draw; what each plot shows, and its file in `folder`."""
    if not lines:
        return {}
    found = {}
    for kind, title, draw in (
        ("arms", "correct on the test operations, by arm", arms),
        ("curves", "correct completions in training, by RL step", curves),
    ):
        file = f"showcase-{study.task}-{kind}.svg"
        draw(lines, folder / file)
        found[f"{study.title}: {title}"] = file
    return found


def arms(lines: Sequence[Line], path: Path) -> None:
    """Correctness on the test rows, a pair of bars for each arm with its 95 % interval."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, 0.8 + 0.5 * len(lines)))
        for place, line in enumerate(lines):
            _bar(axes, place - 0.19, line.greedy, GREEDY)
            _bar(axes, place + 0.19, line.sampled, SAMPLED)
        axes.set_yticks(range(len(lines)), [line.arm.title for line in lines])
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xlabel("correct on the test operations")
        axes.grid(axis="x", alpha=0.3)
        handles = [Patch(color=color) for color in (GREEDY, SAMPLED)]
        names = ["greedy", "sampled, one answer"]
        axes.legend(handles, names, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        _save(figure, path)


def curves(lines: Sequence[Line], path: Path) -> None:
    """How RL went: correct completions in training, and greedy answers to the validation rows.

    Lines are means over seeds, bands their range.
    """
    trained = [line for line in lines if any(run.steps for run in line.runs)]
    trained.sort(key=lambda line: line.arm.role != "main")
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
        for axes, points_of in zip(panels, PANELS, strict=True):
            for line in trained[:MOST_CURVES]:
                _curve(axes, line, points_of(line.runs))
            axes.set_xlabel("RL step")
            axes.set_ylim(0, 1)
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("correct")
        panels[0].set_title("completions in training")
        panels[1].set_title("validation operations, greedy")
        panels[0].legend(loc="lower right")
        _save(figure, path)


def validation(runs: Sequence[Run]) -> Points:
    """RL step, 0 being its start → the seeds' shares of correct validation rows."""
    found: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        began = max(map(int, run.validation), default=0) - len(run.steps)
        for version, correct in run.validation.items():
            if int(version) >= began:
                found[int(version) - began].append(correct)
    return found


def training(runs: Sequence[Run]) -> Points:
    """RL step, from 1 → the seeds' shares of correct completions."""
    found: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        for number, step in enumerate(run.steps, start=1):
            if "correct" in step:
                found[number].append(step["correct"])
    return found


PANELS: Sequence[Callable[[Sequence[Run]], Points]] = (training, validation)


def _curve(axes: Axes, line: Line, points: Points) -> None:
    steps = sorted(points)
    means = [estimate(points[step]).mean for step in steps]
    (drawn,) = axes.plot(steps, means, label=f"{line.arm.title} (n = {len(line.runs)})")
    low, high = ([end(points[step]) for step in steps] for end in (min, max))
    axes.fill_between(steps, low, high, color=drawn.get_color(), alpha=0.12, linewidth=0)


def _bar(axes: Axes, place: float, value: Estimate, color: str) -> None:
    axes.barh(place, value.mean, height=0.36, color=color, xerr=value.half or 0, capsize=2)


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401  matplotlib's figures are a union
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
