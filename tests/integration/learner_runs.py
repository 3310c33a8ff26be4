"""Single deliveries of a job's request to a learner, and what may happen in their midst."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from learner_pipeline import RL, Pipeline

from burnish.v1 import job_pb2
from svc_learner.session import Session


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


def rl(**changes: object) -> dict[str, object]:
    return {"rl": RL["rl"] | changes}


async def run(pipeline: Pipeline, **settings: object) -> job_pb2.JobRun:
    """One delivery of the job's request."""
    await (await pipeline.runner(**settings)).run()
    return await pipeline.record()


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], Any]) -> None:
    """Do something once, when a step is durable."""
    save, done = Session.save_meanwhile, False

    async def saving(session: Session, **how: Any) -> None:  # noqa: ANN401
        nonlocal done
        await save(session, **how)
        if session.progress.version == step and not done:
            done = True
            await session.settle()
            await act()
            await asyncio.sleep(0.1)  # until the learner has heard of it

    monkeypatch.setattr(Session, "save_meanwhile", saving)
