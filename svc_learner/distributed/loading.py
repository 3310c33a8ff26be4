"""Reading a base model, on all ranks at once."""

from burnish import models
from burnish.errors import UserError
from svc_learner.config import LearnerSettings
from svc_learner.distributed.ranks import Ranks
from svc_learner.distributed.shard import ShardedModel
from svc_learner.engine import probe


def load(name: str, settings: LearnerSettings, ranks: Ranks) -> ShardedModel:
    """Each rank reads the model from its own disk and keeps its part.

    Raises:
        UserError: some rank could not read it, or it cannot be sharded; on every rank alike.
    """
    base: ShardedModel | None = None
    failure: UserError | None = None
    try:
        folder = models.ensure(name, settings.models_dir.expanduser())
        dtype, threads = settings.learner_dtype, settings.learner_threads
        base = ShardedModel.read(name, folder, dtype=dtype, threads=threads, ranks=ranks)
    except UserError as error:
        failure = error
    failures = [text for text in ranks.gather(str(failure or "")) if text]
    if failure is not None:
        raise failure
    if base is None or failures:
        raise UserError(failures[0], field="base_model")
    base.shard(ranks)
    if settings.learner_gradient_checkpointing:
        base.checkpoint_gradients()
    probe.check(base)
    return base
