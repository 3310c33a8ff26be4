"""What tests ask of processes that they did not start themselves."""

from pathlib import Path


def runs(process: Path) -> bool:
    """Whether a process, as its folder in /proc, is there; a zombie only waits for its parent."""
    try:
        return "State:\tZ" not in (process / "status").read_text()
    except OSError:
        return False
