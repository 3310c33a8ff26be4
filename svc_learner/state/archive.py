"""Tar archives whose bytes are a function of their contents alone.

No times, owners or directory entries: equal adapters have equal digests, so a hash proves that two
runs ended alike.
"""

import io
import tarfile
from collections.abc import Mapping

from burnish.errors import UserError


def pack(files: Mapping[str, bytes]) -> bytes:
    """Name → content, in the order of the names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The regular files of an archive, read in memory: nothing is written anywhere.

    Raises:
        UserError: It is not a tar archive.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            members = [(entry, tar.extractfile(entry)) for entry in tar if entry.isfile()]
            return {entry.name: file.read() for entry, file in members if file is not None}
    except tarfile.TarError as error:
        raise UserError(f"This is not a tar archive: {error}.") from None
