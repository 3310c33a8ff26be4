"""Secrets of rewards: files of one folder, as Docker and Kubernetes mount them.

They go to the process of the one evaluation that named them, and never onto the bus: what a function
prints or raises is masked before it leaves the service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from burnish.errors import NotFoundError, UserError
from svc_reward.outcome import Outcome

MASK = "***"
MIN_MASKED = 4
"""Shorter values occur in any text; masking them would tell more than it hides."""


class Secrets:
    """Reads `<folder>/<name>`, or `<folder>/<project>/<name>` where a project has its own."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def read(self, names: Sequence[str], project: str = "") -> Mapping[str, str]:
        """The values by name.

        Raises:
            UserError: this installation has no secrets, or one that is named is not there.
        """
        if not names:
            return {}
        if self._folder is None:
            raise UserError(
                "this installation keeps no secrets",
                field="secrets",
                hint="the operator names their folder in BURNISH_REWARD_SECRETS",
            )
        return {name: self._one(self._folder, name, project) for name in names}

    def _one(self, folder: Path, name: str, project: str) -> str:
        for path in (folder / project / name, folder / name) if project else (folder / name,):
            if path.is_file():
                return path.read_text(encoding="utf-8").rstrip("\n")
        raise NotFoundError(f"there is no secret {name!r}", field="secrets")


def masked(outcome: Outcome, values: Mapping[str, str]) -> Outcome:
    """`outcome` without the values of secrets in its texts."""
    message, stdout = outcome.message, outcome.stdout
    for value in sorted(values.values(), key=len, reverse=True):
        if len(value) >= MIN_MASKED:
            message, stdout = message.replace(value, MASK), stdout.replace(value, MASK)
    return replace(outcome, message=message, stdout=stdout)
