"""Evaluates OpenAI graders."""

import asyncio
import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from burnish import graders
from burnish.errors import RetryableError, UserError
from burnish.reward_spec import RewardLimits
from svc_reward import judges, outcome
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import MAX_SCORE, MAX_STDOUT, Status
from svc_reward.outcome import Outcome
from svc_reward.sandbox import Sandbox

ATTEMPTS = 3
"""How often a judge is asked for a number."""
JUDGE_SECONDS = 120.0
SHOWN = 200


class ChatModels(Protocol):
    """Models that can judge."""

    async def chat(self, model: str, body: Mapping[str, Any]) -> str:
        """What `model` answers.

        Raises:
            UserError: the request cannot be answered.
            RetryableError: nobody answers now.
        """
        ...


class Graders:
    """Evaluates them through the sandbox where they run code or hostile input.

    Args:
        sandbox: for `python` and `text_similarity`.
        models: for `score_model`; without them such graders are refused.
    """

    def __init__(self, sandbox: Sandbox, models: ChatModels | None = None) -> None:
        self._sandbox = sandbox
        self._models = models

    async def evaluate(
        self, grader: Mapping[str, Any], limits: RewardLimits, case: Case, *, seed: int | None
    ) -> Outcome:
        """Score one completion.

        Raises:
            UserError: the grader cannot be used here.
        """
        seed = secrets.randbits(63) if seed is None else seed
        started = time.monotonic()
        parsed = graders.parse(grader)
        if isinstance(parsed, graders.Multi):
            found = await self._multi(parsed, limits, case, seed)
        else:
            found = await self._simple(parsed, limits, case, seed)
        return replace(found, seconds=time.monotonic() - started, seed=seed)

    async def _multi(
        self, grader: graders.Multi, limits: RewardLimits, case: Case, seed: int
    ) -> Outcome:
        names = list(grader.graders)
        found = await asyncio.gather(
            *(self._simple(each, limits, case, seed) for each in grader.graders.values())
        )
        return combined(grader.formula, dict(zip(names, found, strict=True)))

    async def _simple(
        self, grader: graders.Simple, limits: RewardLimits, case: Case, seed: int
    ) -> Outcome:
        try:
            match grader:
                case graders.StringCheck():
                    return _string_check(grader, case)
                case graders.TextSimilarity():
                    text, reference = _filled((grader.input, grader.reference), case)
                    program = Program.similarity(grader.evaluation_metric, text, reference, limits)
                    return await self._sandbox.evaluate(program, case, seed=seed)
                case graders.PythonGrader():
                    program = Program.grade(
                        grader.source, sample(case.completion), dict(case.example), limits
                    )
                    return await self._sandbox.evaluate(program, case, seed=seed)
                case graders.ScoreModel():
                    return await self._score_model(grader, limits, case, seed)
        except graders.UnreadableOutputError as error:
            # The completion lacks what the grader looks at: that is what it is worth.
            low = grader.range[0] if isinstance(grader, graders.ScoreModel) else 0.0
            return Outcome(Status.OK, low, message=error.message)

    async def _score_model(
        self, grader: graders.ScoreModel, limits: RewardLimits, case: Case, seed: int
    ) -> Outcome:
        if self._models is None:
            raise UserError(
                "`score_model` needs a served model, and there is none without the platform",
                field="grader.type",
                hint="try it on a running platform: `burnish rewards test`",
            )
        texts = _filled([message.content for message in grader.input], case)
        messages = [
            {"role": "system" if one.role == "developer" else one.role, "content": text}
            for one, text in zip(grader.input, texts, strict=True)
        ]
        try:
            async with asyncio.timeout(limits.seconds or JUDGE_SECONDS):
                return await self._asked(self._models, grader, messages, seed)
        except TimeoutError:
            return outcome.unavailable(f"the judge {grader.model} took too long")
        except RetryableError as error:
            return outcome.unavailable(error.message)
        except UserError as error:
            return Outcome(Status.ERROR, message=str(error))

    async def _asked(
        self,
        models: ChatModels,
        grader: graders.ScoreModel,
        messages: list[dict[str, str]],
        seed: int,
    ) -> Outcome:
        answer = ""
        low, high = grader.range
        for attempt in range(ATTEMPTS):
            body = judges.request(messages, grader.sampling_params, seed, attempt)
            answer = await models.chat(grader.model, body)
            value = judges.number_in(answer, low, high)
            if value is not None:
                return Outcome(Status.OK, value, stdout=answer[:MAX_STDOUT])
        message = (
            f"the judge {grader.model} gave no single number from {low:g} to {high:g} in "
            f"{ATTEMPTS} answers; the last: {answer[:SHOWN]!r}"
        )
        return Outcome(Status.INVALID_SCORE, message=message, stdout=answer[:MAX_STDOUT])


def combined(formula: graders.Formula, found: Mapping[str, Outcome]) -> Outcome:
    """The outcome of a formula over other outcomes: the first that has no score stands for all."""
    everything = Outcome(
        Status.OK,
        parts={name: each.value for name, each in found.items() if each.value is not None},
        stdout="".join(f"{name}: {each.stdout}\n" for name, each in found.items() if each.stdout)[
            :MAX_STDOUT
        ],
        message="\n".join(
            f"{name}: {each.message}" for name, each in found.items() if each.message
        ),
        cpu_ms=sum(each.cpu_ms for each in found.values()),
        isolation=next((each.isolation for each in found.values() if each.isolation), ""),
        image=next((each.image for each in found.values() if each.image), ""),
        flags=tuple(dict.fromkeys(flag for each in found.values() for flag in each.flags)),
    )
    # What is worth another try comes first: it decides what is done with the others.
    for name, each in sorted(found.items(), key=lambda item: not item[1].infrastructure):
        if each.status is not Status.OK:
            message = f"{name}: {each.message}"
            return replace(everything, status=each.status, message=message, parts={})
    try:
        value = formula.value(everything.parts)
    except UserError as error:
        return _no_score(everything, error.message)
    if not math.isfinite(value) or abs(value) > MAX_SCORE:
        return _no_score(everything, f"`{formula.text}` is {value:g}, outside ±{MAX_SCORE:g}")
    return replace(everything, value=value)


def sample(completion: str) -> dict[str, object]:
    """What a `python` grader finds in its first argument."""
    try:
        parsed = json.loads(completion)
    except (ValueError, RecursionError):
        parsed = None
    return {"output_text": completion, "output_json": parsed}


def _no_score(found: Outcome, message: str) -> Outcome:
    return replace(found, status=Status.INVALID_SCORE, message=message, parts={})


def _string_check(grader: graders.StringCheck, case: Case) -> Outcome:
    text, reference = _filled((grader.input, grader.reference), case)
    return Outcome(Status.OK, graders.string_check(grader.operation, text, reference))


def _filled(templates: Sequence[str], case: Case) -> list[str]:
    return [graders.render(text, item=case.example, output=case.completion) for text in templates]
