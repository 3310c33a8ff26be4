"""Unpacking tars that somebody else packed."""

import shutil
import tarfile
from pathlib import Path, PurePosixPath


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Write the files of `archive` below `folder`; no owners, modes or times.

    `TarFile.extractall(filter="data")` (PEP 706) is as strict, but came with Python 3.11.4, and
    Debian 12 has 3.11.2.

    Raises:
        tarfile.TarError: It holds a link, a device, or a path that leads outside.
    """
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{member.name!r} leads outside the archive")
        target = folder / path
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        source = archive.extractfile(member) if member.isfile() else None
        if source is None:
            raise tarfile.TarError(f"{member.name!r} is neither a file nor a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
