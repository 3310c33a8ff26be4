"""The first state of a job that begins with something else than the bare base model.

Its weights become its own version 0 (a fork's: the version that it begins at), published like any
other, so whatever is sampled can be told by a name of this job.
"""

import asyncio
from collections.abc import Sequence

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from burnish import peft_folder
from burnish.bus import Bus, topology
from burnish.errors import NotFoundError, UserError
from burnish.spec import JobSpec
from burnish.v1 import common_pb2, job_pb2
from svc_learner import codec
from svc_learner.channel import Channel
from svc_learner.engine.policy import Policy
from svc_learner.plan import Evaluate, Phase, Rl
from svc_learner.session import Session
from svc_learner.state import archive
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.fork import Branch, forked
from svc_learner.state.progress import Progress
from svc_learner.state.store import patiently
from svc_learner.types import Ticket

ObjectRef = common_pb2.ObjectRef
WEIGHTS = peft_folder.WEIGHTS


async def origin(bus: Bus, job: job_pb2.DesiredJob, progress: Progress) -> Checkpoint | None:
    """What the job begins with; None: with the base model.

    Args:
        bus: where it is kept.
        job: what its owner wants.
        progress: of a job that begins at its first step.

    Raises:
        UserError: it cannot be read.
    """
    start = job.spec.start.WhichOneof("from")
    if start is None:
        return None
    content = await patiently(lambda: bus.blobs.get(job.origin))
    if start != "checkpoint":
        folder = await asyncio.to_thread(lambda: peft_folder.read(content, field=f"start.{start}"))
        return Checkpoint(progress, archive.pack(folder.files), b"")
    checkpoint = await asyncio.to_thread(Checkpoint.unpack, content)
    jobs = await bus.kv(topology.JOBS, job_pb2.DesiredJob)
    source_id = job.spec.start.checkpoint.job_id
    found = await patiently(lambda: jobs.get(source_id))
    if found is None:
        raise NotFoundError(f"There is no job {source_id!r}.", field="start.checkpoint.job_id")
    source = _branch(found[0], checkpoint.progress.reward_set)
    begun = forked(checkpoint.progress, source, _branch(job, progress.reward_set), progress)
    return Checkpoint(begun, checkpoint.adapter, checkpoint.optimizer)


def _branch(job: job_pb2.DesiredJob, reward_set: int) -> Branch:
    rewards = codec.reward_set_of(job, reward_set).rewards
    return Branch(
        job.id,
        JobSpec.from_proto(job.spec),
        [(each.name, each.revision, each.weight) for each in rewards],
    )


def fitted(policy: Policy, given: bytes) -> bytes:
    """An adapter of the policy's shape with the given weights.

    A layer that the given adapter leaves alone keeps its fresh update, which is 0.

    Raises:
        UserError: it has layers that the base model has not, or layers of other sizes.
    """
    mine, theirs = archive.unpack(policy.adapter.save()), archive.unpack(given)
    tensors, found = load_tensors(mine[WEIGHTS]), load_tensors(theirs[WEIGHTS])
    for name, tensor in found.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            what = "has no place there" if name not in tensors else "has another size there"
            raise UserError(
                f"The adapter does not fit the base model: {name} of shape "
                f"{list(tensor.shape)} {what}.",
                field="start",
            )
    merged = tensors | {name: tensor.float() for name, tensor in found.items()}
    return archive.pack({**mine, WEIGHTS: save_tensors(merged, metadata={"format": "pt"})})


async def begin(
    session: Session, channel: Channel, bus: Bus, plan: Sequence[Phase], origin: ObjectRef
) -> None:
    """Make the state that the job begins with its own, then ask for what was in flight.

    Repeating it changes nothing, and a crash within it repeats it: until the first step.
    """
    start, progress = session.spec.start, session.progress
    if start is None or progress.usage.steps:
        return
    phase = plan[progress.phase]
    if not isinstance(phase, Evaluate):
        session.stage, session.stage_index = phase.stage, phase.index
    if channel.adapter is None:
        await session.save(publish=True)
    if start.checkpoint is None:
        return
    await patiently(lambda: bus.blobs.delete(origin))  # the copy was made for this job alone
    if not isinstance(phase, Rl):
        return
    tickets = [each for each in session.desk.assembler.running if not each.label]
    await _adopt(bus, start.checkpoint.job_id, session.job_id, tickets, progress.version)
    for ticket in tickets:
        row = session.rows.rows[ticket.row]
        await channel.dispatch_again(ticket, row, phase.config.sampling, attempt=0)


async def _adopt(
    bus: Bus, source: str, job_id: str, tickets: Sequence[Ticket], version: int
) -> None:
    """Give the policies of groups in flight a name of this job.

    The groups are asked for with the policies that they were dispatched with. Adapters are never
    changed, so both names may share one object.
    """
    adapters = await bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
    for older in {ticket.policy_version for ticket in tickets} - {version}:
        key = topology.adapter_key(f"{source}:v{older}")
        found = await patiently(lambda key=key: adapters.get(key))  # type: ignore[misc]
        if found is None:
            continue  # version 0 of a job that began with the base model has no adapter
        adapter, _ = found
        adapter.name, adapter.job_id = f"{job_id}:v{older}", job_id
        await patiently(lambda one=adapter: adapters.put(topology.adapter_key(one.name), one))  # type: ignore[misc]
