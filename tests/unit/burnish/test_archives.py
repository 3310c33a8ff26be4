"""Tars from elsewhere: files come out, nothing else does, and nothing lands outside."""

import io
import tarfile
from pathlib import Path

import pytest

from burnish.archives import unpack


def archive(*members: tarfile.TarInfo) -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def member(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    return info


def test_files_and_folders_come_out(tmp_path: Path) -> None:
    with archive(member("./a", size=3), member("b", tarfile.DIRTYPE), member("c/d", size=2)) as tar:
        unpack(tar, tmp_path)
    assert (tmp_path / "a").read_bytes() == b"xxx"
    assert (tmp_path / "b").is_dir()
    assert (tmp_path / "c" / "d").read_bytes() == b"xx"


@pytest.mark.parametrize(
    "bad",
    [
        member("../out", size=1),
        member("a/../../out", size=1),
        member("/out", size=1),
        member("link", tarfile.SYMTYPE),
        member("link", tarfile.LNKTYPE),
        member("pipe", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_anything_else_is_refused(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with archive(bad) as tar, pytest.raises(tarfile.TarError):
        unpack(tar, folder)
    assert not list(folder.iterdir())
    assert list(tmp_path.iterdir()) == [folder]
