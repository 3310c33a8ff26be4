"""What a job has announced before: pure.

The server recognises a repeated event by its id, but only for some minutes. A job that goes on after
a longer pause looks at the newest event of each kind in the log instead.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

T = TypeVar("T")


def unsaid(items: Sequence[T], id_of: Callable[[T], str], said: Collection[str]) -> list[T]:
    """Those behind the last one that was said; all of them if none was.

    Args:
        items: of one kind, in the order in which they are announced.
        id_of: the id of an item's event.
        said: ids of the newest event of each kind.
    """
    last = max((place for place, item in enumerate(items) if id_of(item) in said), default=-1)
    return list(items[last + 1 :])
