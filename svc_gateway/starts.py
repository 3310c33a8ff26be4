"""Where jobs begin: what a spec's `start` names, checked, and kept for as long as the job needs it."""

import asyncio
import math

from burnish import peft_folder
from burnish.bus.blobs import Blobs
from burnish.errors import NotFoundError, RetryableError, UserError
from burnish.v1 import common_pb2, job_pb2
from svc_gateway.files import Files, require_adapter
from svc_gateway.models import Models
from svc_gateway.store import Store

ObjectRef = common_pb2.ObjectRef
COPY_TRIES = 3
COPY_SECONDS = 60.0


class Starts:
    """Finds the weights or the checkpoint that a new job begins with."""

    def __init__(self, *, store: Store, blobs: Blobs, files: Files, models: Models) -> None:
        self._store = store
        self._blobs = blobs
        self._files = files
        self._models = models

    async def origin(self, job_id: str, spec: job_pb2.JobSpec) -> ObjectRef | None:
        """What `spec.start` names; None where the job begins with the base model.

        Adapters and files stay by themselves. A checkpoint may be dropped by its own job at any
        time: the new job gets a copy.

        Raises:
            NotFoundError: there is no such adapter, file or checkpoint.
            UserError: it does not fit the job.
        """
        match spec.start.WhichOneof("from"):
            case "adapter":
                return await self._adapter(spec)
            case "file":
                file = await self._files.get(spec.start.file, field="start.file")
                require_adapter(file, field="start.file")
                await self._check_shape(spec, file.blob, "start.file")
                return file.blob
            case "checkpoint":
                return await self._checkpoint(job_id, spec)
            case _:
                return None

    async def checkpoints(self, job_id: str) -> list[job_pb2.Checkpoint]:
        """Those that a job keeps, newest first."""
        run = await self._store.runs.get(job_id)
        return [] if run is None else list(run[0].checkpoints)

    async def _adapter(self, spec: job_pb2.JobSpec) -> ObjectRef:
        field = "start.adapter"
        try:
            adapter = await self._models.adapter(spec.start.adapter)
        except NotFoundError as error:
            raise NotFoundError(error.message, field=field, hint=error.hint) from None
        _check_base(spec, adapter.base_model, f"{adapter.name} is an adapter", field)
        await self._check_shape(spec, adapter.blob, field)
        return adapter.blob

    async def _check_shape(self, spec: job_pb2.JobSpec, blob: ObjectRef, field: str) -> None:
        content = await self._blobs.get(blob)
        folder = await asyncio.to_thread(lambda: peft_folder.read(content, field=field))
        _check_lora(spec, job_pb2.LoraConfig(rank=folder.rank, alpha=folder.alpha), "the adapter")

    async def _checkpoint(self, job_id: str, spec: job_pb2.JobSpec) -> ObjectRef:
        source_id, step = spec.start.checkpoint.job_id, spec.start.checkpoint.step
        source = await self._store.jobs.get(source_id) if _is_key(source_id) else None
        if source is None:
            raise NotFoundError(
                f"there is no job {source_id!r}",
                field="start.checkpoint.job_id",
                hint="list the jobs",
            )
        training = await self._files.get(spec.training_file, field="training_file")
        for _ in range(COPY_TRIES):
            checkpoint = pick(await self.checkpoints(source_id), source_id, step)
            check_fork(source[0].spec, checkpoint, spec, labelled=training.labelled_rows)
            try:
                async with asyncio.timeout(COPY_SECONDS):
                    return await self._blobs.copy(checkpoint.blob, f"{job_id}/origin")
            except (NotFoundError, TimeoutError):
                continue  # dropped since it was listed
        raise RetryableError(f"the checkpoint of step {step} of {source_id} cannot be read")


def pick(kept: list[job_pb2.Checkpoint], job_id: str, step: int = 0) -> job_pb2.Checkpoint:
    """The checkpoint of a step; 0 is the newest.

    Raises:
        NotFoundError: it is not among those that are kept.
    """
    for checkpoint in kept:
        if checkpoint.step == step or not step:
            return checkpoint
    if not kept:
        raise NotFoundError(
            f"{job_id} has no checkpoint yet", field="step", hint="wait for its first step"
        )
    raise NotFoundError(
        f"{job_id} keeps no checkpoint of step {step}",
        field="step",
        hint=f"it keeps {', '.join(str(each.step) for each in reversed(kept))}",
    )


def check_fork(
    source: job_pb2.JobSpec,
    checkpoint: job_pb2.Checkpoint,
    spec: job_pb2.JobSpec,
    *,
    labelled: int,
) -> None:
    """What a job that begins at a checkpoint may change, and what it may not.

    The weights fix base model and shape. The stages up to the checkpoint's are over, so they stay
    of the same kinds; its own may change in everything else.

    Args:
        source: the job that the checkpoint belongs to.
        checkpoint: a kept one.
        spec: the new job.
        labelled: rows of its training file that SFT learns from.

    Raises:
        UserError: the job breaks one of these rules, or has nothing left to do.
    """
    at = f"the checkpoint of step {checkpoint.step}"
    _check_base(spec, source.base_model, at, "base_model")
    _check_lora(spec, source.lora, at)
    index = checkpoint.stage_index
    for number, before in enumerate(source.stages[: index + 1]):
        kind, field = before.WhichOneof("kind"), f"stages[{number}]"
        if number >= len(spec.stages) or spec.stages[number].WhichOneof("kind") != kind:
            raise UserError(
                f"{at} is in stage {index + 1}: stage {number + 1} has to be `{kind}` here, too",
                field=field,
                hint="stages may be added behind it",
            )
    field, steps = _length(spec, index, labelled)
    last = index == len(spec.stages) - 1
    done = checkpoint.stage_step
    if last and steps <= done and spec.evaluation_file in {"", source.evaluation_file}:
        raise UserError(
            f"{at} has done {done} of the {steps} steps of this stage: nothing is left to do",
            field=field,
            hint="ask for more, or add a stage",
        )


def _length(spec: job_pb2.JobSpec, index: int, labelled: int) -> tuple[str, int]:
    """The field that says how long a stage is, and its optimizer steps."""
    stage = spec.stages[index]
    if stage.HasField("rl"):
        return f"stages[{index}].rl.steps", stage.rl.steps
    steps = stage.sft.epochs * math.ceil(labelled / stage.sft.batch_size)
    return f"stages[{index}].sft.epochs", steps


def _check_base(spec: job_pb2.JobSpec, base_model: str, what: str, field: str) -> None:
    if spec.base_model != base_model:
        raise UserError(f"{what} of {base_model}, not of {spec.base_model}", field=field)


def _check_lora(spec: job_pb2.JobSpec, lora: job_pb2.LoraConfig, what: str) -> None:
    for name in ("rank", "alpha"):
        theirs, ours = getattr(lora, name), getattr(spec.lora, name)
        if theirs != ours:
            raise UserError(
                f"{what} has {name} {theirs:g}, the job {ours:g}",
                field=f"lora.{name}",
                hint=f"set it to {theirs:g}",
            )


def _is_key(job_id: str) -> bool:
    plain = job_id.replace("-", "")
    return plain.isalnum() and plain.isascii()
