"""Evaluates OpenAI graders."""

from collections.abc import Mapping
from typing import Any

from burnish.errors import UserError
from burnish.reward_spec import RewardLimits
from svc_reward.contract import Case
from svc_reward.outcome import Outcome
from svc_reward.sandbox import Sandbox


class Graders:
    """Evaluates them through the sandbox, where they run code."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def evaluate(
        self, grader: Mapping[str, Any], limits: RewardLimits, case: Case, *, seed: int | None
    ) -> Outcome:
        raise UserError(f"graders of type {grader.get('type')!r} cannot be used yet")
