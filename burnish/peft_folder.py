"""A PEFT adapter that somebody packed: read in memory, checked without its base model.

Only safetensors are read: a pickle runs code. What the tensors belong to is checked by whoever
holds the base model.
"""

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from burnish.errors import UserError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FORMATS = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_BYTES = 4 * 1024**3
"""Of the unpacked files: a small archive can hold a large nothing."""

_OFF: Mapping[str, tuple[object, ...]] = {
    "bias": ("none", None),
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "modules_to_save": ([], None),
}
"""Options of PEFT that change what the weights mean, and the values at which they do not."""


@dataclass(frozen=True, slots=True)
class PeftFolder:
    """`rank` and `alpha` are the adapter's; the contents are as they were packed."""

    config: bytes
    weights: bytes
    rank: int
    alpha: float

    @property
    def files(self) -> Mapping[str, bytes]:
        return {CONFIG: self.config, WEIGHTS: self.weights}


def read(content: bytes, *, field: str = "file") -> PeftFolder:
    """Unpack and check a tar or zip of a PEFT folder.

    Raises:
        UserError: it is none, or an adapter of a kind that cannot be trained on.
    """
    files = _unpacked(content, field)
    if WEIGHTS not in files and any(name.endswith((".bin", ".pt", ".pth")) for name in files):
        raise UserError(
            "the adapter's weights are pickled, which can run code",
            field=field,
            hint=f"save them as {WEIGHTS}",
        )
    for name in (CONFIG, WEIGHTS):
        if name not in files:
            raise UserError(
                f"the archive holds no {name}",
                field=field,
                hint="pack a PEFT folder as tar or zip",
            )
    rank, alpha = _shape(files[CONFIG], field)
    _check_weights(files[WEIGHTS], rank, field)
    return PeftFolder(files[CONFIG], files[WEIGHTS], rank, alpha)


def _unpacked(content: bytes, field: str) -> Mapping[str, bytes]:
    """The files next to the adapter's configuration, by name."""
    found: dict[str, bytes] = {}
    size = 0
    folder: PurePosixPath | None = None
    try:
        for path, data in _members(content):
            size += len(data)
            if size > MAX_BYTES:
                raise UserError(f"the archive unpacks to more than {MAX_BYTES} bytes", field=field)
            if path.name == CONFIG:
                folder = path.parent
            found[str(path)] = data
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise UserError(
            f"this is neither a tar nor a zip that can be read: {error}", field=field
        ) from None
    return {
        PurePosixPath(name).name: data
        for name, data in found.items()
        if folder is None or PurePosixPath(name).parent == folder
    }


def _members(content: bytes) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The regular files, none larger than what may be unpacked; nothing is written anywhere."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    if not name.endswith("/"):
                        yield PurePosixPath(name), file.read(MAX_BYTES + 1)
        return
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as tar:
        for entry in tar:
            member = tar.extractfile(entry) if entry.isfile() else None
            if member is not None:
                yield PurePosixPath(entry.name), member.read(MAX_BYTES + 1)


def _shape(content: bytes, field: str) -> tuple[int, float]:
    try:
        config: Any = json.loads(content)
        rank, alpha = config["r"], config["lora_alpha"]
        kind = config["peft_type"]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{CONFIG} is not a LoRA's: {error!r}", field=field) from None
    if kind != "LORA" or not isinstance(rank, int) or rank < 1:
        raise UserError(f"{CONFIG} describes a {kind!r} of rank {rank!r}, not a LoRA", field=field)
    if not isinstance(alpha, int | float) or alpha <= 0:
        raise UserError(f"{CONFIG}: `lora_alpha` is {alpha!r}", field=field)
    for option, neutral in _OFF.items():
        if config.get(option) not in neutral:
            raise UserError(
                f"{CONFIG}: `{option}` is {config[option]!r}", field=field, hint="plain LoRA only"
            )
    return rank, float(alpha)


def _check_weights(content: bytes, rank: int, field: str) -> None:
    """Read the header of safetensors (8 bytes of length, JSON): every tensor is a LoRA's."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        header: Any = json.loads(content[8 : 8 + length])
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = {name: (entry["dtype"], entry["shape"]) for name, entry in tensors.items()}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    except (struct.error, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise UserError(f"{WEIGHTS} is not a safetensors file: {error!r}", field=field) from None
    if not shapes or len(content) != 8 + length + end:
        raise UserError(f"{WEIGHTS} is empty, or cut off", field=field)
    for name, (dtype, shape) in shapes.items():
        axis = 0 if ".lora_A." in name else 1 if ".lora_B." in name else None
        if axis is None or dtype not in {"F32", "F16", "BF16"}:
            raise UserError(f"{WEIGHTS}: {name} ({dtype}) is no LoRA weight", field=field)
        if len(shape) != 2 or shape[axis] != rank:
            raise UserError(f"{WEIGHTS}: {name} of shape {shape} has not rank {rank}", field=field)
