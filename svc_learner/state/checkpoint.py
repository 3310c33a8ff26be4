"""A checkpoint: one object that holds all that another learner needs to take over.

JSON and safetensors only: reading one runs no code.
"""

from dataclasses import dataclass

from burnish.errors import UserError
from svc_learner.state import archive
from svc_learner.state.progress import Progress

_PROGRESS = "progress.json"
_ADAPTER = "adapter.tar"
_OPTIMIZER = "optimizer.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`adapter` is a tar of a PEFT folder; `optimizer` is safetensors."""

    progress: Progress
    adapter: bytes
    optimizer: bytes

    def pack(self) -> bytes:
        return archive.pack(
            {
                _PROGRESS: self.progress.to_json(),
                _ADAPTER: self.adapter,
                _OPTIMIZER: self.optimizer,
            }
        )

    @classmethod
    def unpack(cls, content: bytes) -> "Checkpoint":
        """Read what `pack` wrote.

        Raises:
            UserError: It is something else.
        """
        files = archive.unpack(content)
        try:
            return cls(Progress.from_json(files[_PROGRESS]), files[_ADAPTER], files[_OPTIMIZER])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"This is not a checkpoint of this version: {error!r}.") from error
