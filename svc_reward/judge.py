"""Scores cases with rewards of every kind, through the sandbox."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace

from burnish.errors import UserError
from burnish.reward_spec import RewardDefinition
from svc_reward import outcome
from svc_reward.contract import Case, Program
from svc_reward.graders import Graders
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.packages import Packages
from svc_reward.recall import Recall, key_of
from svc_reward.sandbox import Sandbox
from svc_reward.secrets_folder import Secrets, masked


class Judge:
    """One way to score, whatever a reward is made of.

    Args:
        sandbox: runs what is not ours.
        graders: evaluates OpenAI graders.
        packages: installs what rewards import.
        secrets: what rewards may know.
        recall: verdicts on kernels that need not be asked for again; unset: each is.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        graders: Graders,
        packages: Packages,
        secrets: Secrets,
        recall: Recall | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._graders = graders
        self._packages = packages
        self._secrets = secrets
        self._recall = recall

    def check(self, definition: RewardDefinition, project: str = "") -> None:
        """Whether what it names is there, without running or installing anything.

        Raises:
            UserError: As `evaluate`.
        """
        self._packages.check(definition.packages)
        self._secrets.read(definition.secrets, project)
        self._sandbox.check_limits(definition.limits)

    async def evaluate(
        self,
        definition: RewardDefinition,
        case: Case,
        *,
        project: str = "",
        seed: int | None = None,
    ) -> Outcome:
        """Score one completion.

        Raises:
            UserError: the reward cannot be used here: unknown secrets or packages, or limits above
                the operator's.
        """
        if definition.group:
            return (
                await self.evaluate_group(definition, case, [case.completion], project=project)
            )[0]
        if definition.grader is not None:
            return await self._graders.evaluate(
                definition.grader, definition.limits, case, seed=seed
            )
        if definition.preset is not None:
            return await self._kernel(definition, case, seed)
        return await self._run(definition, case, project, seed)

    async def evaluate_group(
        self,
        definition: RewardDefinition,
        case: Case,
        completions: Sequence[str],
        *,
        project: str = "",
    ) -> list[Outcome]:
        """Score all completions of one group by comparing them.

        Raises:
            UserError: As `evaluate`.
        """
        group = replace(case, completion="", completions=tuple(completions))
        found = await self._run(definition, group, project, None)
        return outcome.of_group(found, len(completions))

    async def _kernel(self, definition: RewardDefinition, case: Case, seed: int | None) -> Outcome:
        def judged() -> Awaitable[Outcome]:
            return self._sandbox.evaluate(Program.triton(definition), case, seed=seed)

        if self._recall is None or seed is not None:
            return await judged()
        return await self._recall.outcome(key_of(definition, case), judged)

    async def _run(
        self, definition: RewardDefinition, case: Case, project: str, seed: int | None
    ) -> Outcome:
        try:
            layer = await self._packages.layer(definition.packages)
        except UserError as error:
            return Outcome(Status.ERROR, message=str(error))
        program = Program.python(definition, layer)
        environment = self._secrets.read(program.secrets, project)
        found = await self._sandbox.evaluate(program, case, seed=seed, environment=environment)
        if layer:
            found = replace(found, image=f"{found.image}+packages@sha256:{layer}".lstrip("+"))
        return masked(found, environment)
