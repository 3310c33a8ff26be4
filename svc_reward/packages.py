"""pip packages of rewards: resolved once into a layer, a read-only folder named by what it holds."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from burnish.errors import RetryableError, UserError

INSTALL_SECONDS = 600
MAX_BYTES = 4 << 30
KEPT = 32
"""Layers; the least recently used go first."""
SITE = "site"
MANIFEST = "manifest.json"
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w.,-]+\])?\s*([<>=!~][^;@\s]*(\s*,\s*[<>=!~][^;@\s]*)*)?"
)
_NETWORK = (
    "NewConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "Temporary failure",
)


class Packages:
    """Installs layers below one folder.

    Args:
        folder: where they are kept; None: this installation has none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._installing = asyncio.Lock()

    async def layer(self, requirements: Sequence[str]) -> str:
        """Digest of the layer with `requirements`; "" for none.

        Raises:
            UserError: they are not allowed here, or cannot be resolved.
            RetryableError: the package index cannot be reached.
        """
        self.check(requirements)
        if not requirements or self._folder is None:
            return ""
        wanted = sorted(set(requirements))
        found = _known(self._folder, wanted)
        if found:
            return found
        async with self._installing:
            return await asyncio.to_thread(_ensure, self._folder, wanted)

    def check(self, requirements: Sequence[str]) -> None:
        """Without resolving them.

        Raises:
            UserError: they are not allowed here.
        """
        if requirements and self._folder is None:
            raise UserError(
                "this installation installs no packages",
                field="packages",
                hint="the operator names their folder in BURNISH_REWARD_PACKAGES",
            )
        for each in requirements:
            if not _REQUIREMENT.fullmatch(each.strip()):
                hint = "a name and versions, such as `six>=1.16`; no paths, URLs or options"
                raise UserError(f"{each!r} is no requirement", field="packages", hint=hint)


def site(folder: Path | None, digest: str) -> str:
    """The folder that a lane shows for a layer; "" without one."""
    return str((folder / digest / SITE).resolve()) if folder is not None and digest else ""


def _lock(folder: Path, requirements: Sequence[str]) -> Path:
    """The file that says what these requirements were resolved to, the first time."""
    interpreter = [sys.version_info[:2], sys.platform, os.uname().machine]
    key = hashlib.sha256(json.dumps([requirements, interpreter]).encode()).hexdigest()
    return folder / f"{key}.lock"


def _known(folder: Path, requirements: Sequence[str]) -> str:
    """The layer that is there already; "" if none is."""
    try:
        digest = _lock(folder, requirements).read_text()
        os.utime(folder / digest / MANIFEST)  # for `_prune`
    except OSError:
        return ""
    return digest


def _ensure(folder: Path, requirements: Sequence[str]) -> str:
    if found := _known(folder, requirements):
        return found  # somebody installed it while we waited
    folder.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that the rename is atomic.
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        _install(requirements, scratch / SITE)
        digest = _seal(scratch, requirements)
        with contextlib.suppress(FileExistsError, IsADirectoryError):
            # Two requirements can come to the same layer.
            if not (folder / digest).exists():
                scratch.rename(folder / digest)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lock = _lock(folder, requirements)
    unfinished = lock.with_suffix(".new")
    unfinished.write_text(digest)
    unfinished.replace(lock)
    _prune(folder, digest)
    return digest


def _install(requirements: Sequence[str], target: Path) -> None:
    # Wheels only: building from source would run foreign code outside of the sandbox.
    command = [sys.executable, "-m", "pip", "install", "--only-binary=:all:", "--no-compile"]
    command += ["--disable-pip-version-check", "--no-input", "--target", str(target), "--", *requirements]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - requirements are checked above
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RetryableError(f"pip took longer than {INSTALL_SECONDS} s") from None
    if done.returncode == 0:
        return
    if any(sign in done.stderr for sign in _NETWORK):
        raise RetryableError("the package index cannot be reached")
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    raise UserError("\n".join(lines[-3:]) or "pip failed", field="packages")


def _seal(scratch: Path, requirements: Sequence[str]) -> str:
    """Write the manifest; its digest, over the versions and every file, names the layer."""
    site = scratch / SITE
    files = sorted(path for path in site.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size > MAX_BYTES:
        raise UserError(
            f"they hold {size >> 20} MiB", field="packages", hint=f"at most {MAX_BYTES >> 20}"
        )
    contents = hashlib.sha256()
    for path in files:
        contents.update(
            f"{path.relative_to(site)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    resolved = sorted(path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info"))
    manifest = {
        "requirements": list(requirements),
        "resolved": resolved,
        "files": contents.hexdigest(),
    }
    text = json.dumps(manifest, sort_keys=True)
    (scratch / MANIFEST).write_text(text)
    for path in (scratch, *scratch.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return hashlib.sha256(text.encode()).hexdigest()


def _prune(folder: Path, newest: str) -> None:
    layers = [path for path in folder.iterdir() if (path / MANIFEST).exists()]
    layers.sort(key=lambda path: (path / MANIFEST).stat().st_mtime, reverse=True)
    for old in layers[KEPT:]:
        if old.name != newest:
            shutil.rmtree(old, ignore_errors=True)
