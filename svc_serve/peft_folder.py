"""From the tar in the object store to a checked PEFT folder on disk."""

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from burnish import archives
from burnish.errors import UserError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def unpack(archive: Path, target: Path, *, rank: int, max_rank: int) -> None:
    """Unpack `archive` and put it at `target` in one piece, unless somebody else was faster.

    Args:
        archive: A tar of a PEFT folder.
        target: The folder to make.
        rank: The rank that the adapter claims; 0 if it claims none.
        max_rank: Highest rank that the engine serves.

    Raises:
        UserError: The archive is not a LoRA adapter, or not the one that it claims to be.
    """
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    try:
        try:
            with tarfile.open(archive) as tar:
                archives.unpack(tar, part)
        except tarfile.TarError as error:
            raise UserError(f"the adapter's archive cannot be unpacked: {error}") from error
        check(part, rank=rank, max_rank=max_rank)
        if not target.exists():
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check(folder: Path, *, rank: int, max_rank: int) -> None:
    """Refuse what the engine could not serve.

    Raises:
        UserError: Something is missing, or the rank is wrong or too high.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
        found = int(config["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"the adapter's {CONFIG} cannot be read: {error!r}") from error
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"the adapter has no {WEIGHTS}")
    if rank and found != rank:
        raise UserError(f"the adapter has rank {found}, but its reference says {rank}")
    if found > max_rank:
        raise UserError(
            f"the adapter's rank {found} is over this instance's limit of {max_rank}",
            field="adapter",
            hint="raise BURNISH_SERVE_MAX_RANK",
        )
