"""The test: each row is answered once greedily and several times at a temperature, and judged."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import fmean
from typing import Any, TypeAlias

import httpx

from burnish.errors import BurnishError, RetryableError, UnavailableError
from burnish.reward_spec import RewardDefinition
from burnish.sdk import Client, RewardVerdict
from examples.triton.showcase.ledger import Answers
from examples.triton.showcase.rows import Row
from examples.triton.showcase.study import Exam

ASKED_AT_ONCE = 32
JUDGED_AT_ONCE = 16
ATTEMPTS = 5
SECONDS = 600.0
INFRASTRUCTURE = frozenset({"sandbox_unavailable", "lane_error"})

Verdicts: TypeAlias = Mapping[tuple[int, str], RewardVerdict]
"""(row, completion) → verdict; equal completions are judged once."""


class Examiner:
    """Examines one model after the other, through the platform's own doors.

    Args:
        client: of the gateway.
        http_url: its HTTP address.
        reward: judges the answers.
        headline: the part that counts as correct, as `<reward>/<part>`.
    """

    def __init__(
        self, client: Client, http_url: str, reward: RewardDefinition, headline: str
    ) -> None:
        self._client = client
        self._url = f"{http_url}/v1/chat/completions"
        self._reward = reward
        self._part = headline.partition("/")[2]

    def examine(self, model: str, rows: Sequence[Row], exam: Exam, seed: int) -> Answers:
        """Answer and judge all rows.

        Raises:
            RetryableError: the platform cannot answer or judge now.
            BurnishError: it does not have the model.
        """
        greedy = self._ask(model, rows, exam, seed, n=1, temperature=0.0)
        sampled = self._ask(model, rows, exam, seed, n=exam.samples, temperature=exam.temperature)
        verdicts = self._judge(rows, [g + s for g, s in zip(greedy, sampled, strict=True)])
        judged = [verdicts[row, text] for row, texts in enumerate(sampled) for text in texts]
        speeds = [v.parts["speedup"] for v in judged if self._correct(v) and "speedup" in v.parts]
        return Answers(
            greedy=self._count(greedy, verdicts),
            sampled=self._count(sampled, verdicts),
            samples=exam.samples,
            ran=round(fmean(v.parts.get("ran", 0.0) for v in judged), 4),
            speedup=round(fmean(speeds), 3) if speeds else None,
        )

    def solve(self, model: str, rows: Sequence[Row], exam: Exam, seed: int) -> list[str | None]:
        """The greedy answers; None where they are wrong.

        Raises:
            RetryableError: the platform cannot answer or judge now.
            BurnishError: it does not have the model.
        """
        answers = self._ask(model, rows, exam, seed, n=1, temperature=0.0)
        verdicts = self._judge(rows, answers)
        return [
            text if self._correct(verdicts[row, text]) else None
            for row, (text,) in enumerate(answers)
        ]

    def _ask(
        self, model: str, rows: Sequence[Row], exam: Exam, seed: int, *, n: int, temperature: float
    ) -> list[list[str]]:
        """N answers to each row."""
        request = {
            "model": model,
            "n": n,
            "temperature": temperature,
            "max_tokens": exam.max_tokens,
        }
        # Rows with equal seeds would be answered with equal luck.
        seeds = range(seed * len(rows), (seed + 1) * len(rows))
        with httpx.Client(timeout=SECONDS) as http, ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return list(pool.map(partial(self._answers, http, request), rows, seeds))

    def _answers(
        self, http: httpx.Client, request: Mapping[str, Any], row: Row, seed: int
    ) -> list[str]:
        messages = [{"role": "user", "content": row["prompt"]}]
        try:
            reply = http.post(self._url, json={**request, "seed": seed, "messages": messages})
        except httpx.TransportError as error:
            raise UnavailableError(f"no answer from {self._url}: {error}") from error
        if reply.is_error:
            kind = RetryableError if reply.is_server_error else BurnishError
            raise kind(f"no answer from {request['model']}: {reply.text}")
        return [choice["message"]["content"] for choice in reply.json()["choices"]]

    def _judge(self, rows: Sequence[Row], texts: Sequence[Sequence[str]]) -> Verdicts:
        cases = [
            (row, text) for row, answers in enumerate(texts) for text in dict.fromkeys(answers)
        ]
        found: dict[tuple[int, str], RewardVerdict] = {}
        for _ in range(ATTEMPTS):
            for batch in _batches([case for case in cases if case not in found]):
                verdicts = self._client.rewards.test(
                    reward=self._reward,
                    rows=[rows[row] for row, _ in batch],
                    completions=[text for _, text in batch],
                )
                judged = zip(batch, verdicts, strict=True)
                found |= {case: v for case, v in judged if v.status not in INFRASTRUCTURE}
            if len(found) == len(cases):
                return found
        raise RetryableError(f"{len(cases) - len(found)} answers could not be judged")

    def _correct(self, verdict: RewardVerdict) -> bool:
        return verdict.parts.get(self._part, 0.0) > 0 and not verdict.flags

    def _count(self, texts: Sequence[Sequence[str]], verdicts: Verdicts) -> tuple[int, ...]:
        """How many answers to each row are correct."""
        return tuple(
            sum(self._correct(verdicts[row, text]) for text in answers)
            for row, answers in enumerate(texts)
        )


def _batches(cases: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    for start in range(0, len(cases), JUDGED_AT_ONCE):
        yield cases[start : start + JUDGED_AT_ONCE]
