"""A lane image made from the running interpreter: no registry, no shell, no set-uid file."""

import contextlib
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from svc_reward.backend import LANE_FOLDER
from svc_reward.host_interpreter import Interpreter, is_needed

if TYPE_CHECKING:
    import docker

REPOSITORY = "burnish-lane-local"
LANE_PATH = "/opt/lane"
"""Where every lane image, prebuilt or not, keeps the lane package."""
_FOLDERS = {
    "opt": 0o755,
    "opt/site-packages": 0o755,
    "proc": 0o755,
    "dev": 0o755,
    "sys": 0o755,
    "etc": 0o755,
    # Some engines give a tmpfs the mode of the folder that it covers.
    "tmp": 0o1777,
}


def ensure(client: "docker.DockerClient", interpreter: Interpreter) -> str:
    """The name of an image of this interpreter and this lane program; builds it where missing."""
    import docker.errors  # noqa: PLC0415

    files = list(_files(interpreter))
    name = f"{REPOSITORY}:{_digest(files)}"
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        _build(client, name, files)
        _forget_others(client, name)
    return name


def _forget_others(client: "docker.DockerClient", name: str) -> None:
    """Remove images of other interpreters and lane programs, unless lanes still run on them."""
    for image in client.images.list(REPOSITORY):
        for tag in image.tags:
            if tag != name:
                with contextlib.suppress(Exception):
                    client.images.remove(tag)


def _files(interpreter: Interpreter) -> Iterator[tuple[Path, str]]:
    """(file here, path in the image)."""
    yield interpreter.executable, str(interpreter.executable)
    for path in interpreter.shared:
        yield path, str(path)
    for path in sorted(interpreter.library.rglob("*")):
        if path.is_file() and is_needed(path, interpreter.library):
            yield path, str(path)
    for path in sorted(LANE_FOLDER.rglob("*.py")):
        yield path, f"{LANE_PATH}/{path.relative_to(LANE_FOLDER)}"


def _digest(files: list[tuple[Path, str]]) -> str:
    digest = hashlib.sha256(repr(_FOLDERS).encode())
    for path, name in files:
        # Our own files change under development without changing their size.
        mark = path.read_bytes() if name.startswith(LANE_PATH) else str(path.stat().st_size)
        digest.update(f"{name}\0{mark!r}\0".encode())
    return digest.hexdigest()[:12]


def _build(client: "docker.DockerClient", name: str, files: list[tuple[Path, str]]) -> None:
    repository, _, tag = name.partition(":")
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            _write(archive, files)
        file.flush()
        client.api.import_image(src=file.name, repository=repository, tag=tag)


def _write(archive: tarfile.TarFile, files: list[tuple[Path, str]]) -> None:
    # Open to all, whatever the folder is on this machine: a home directory often is not.
    above = {str(parent)[1:]: 0o755 for _, name in files for parent in Path(name).parents}
    for folder, mode in sorted((above | _FOLDERS).items()):
        if folder:
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            entry.mode = mode
            archive.addfile(entry)
    for path, name in files:
        entry = tarfile.TarInfo(name[1:])
        data = path.read_bytes()
        entry.size = len(data)
        entry.mode = 0o755 if path.stat().st_mode & 0o111 else 0o644
        archive.addfile(entry, io.BytesIO(data))
