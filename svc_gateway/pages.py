"""Pages of a list: a token is the key of the last item that was sent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from burnish.errors import UserError

T = TypeVar("T")

DEFAULT_SIZE = 50
MAX_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next_token` is empty on the last page."""

    items: tuple[T, ...]
    next_token: str


def size_of(requested: int) -> int:
    """0 means the default; more than the maximum means the maximum."""
    return min(requested or DEFAULT_SIZE, MAX_SIZE)


def page_of(items: Sequence[T], key: Callable[[T], str], *, size: int, token: str) -> Page[T]:
    """The items behind the one whose key is `token`, in the order given.

    Raises:
        UserError: no item has that key (any more).
    """
    start = 0
    if token:
        keys = [key(item) for item in items]
        if token not in keys:
            raise UserError(
                f"page token {token!r} points to nothing that still exists",
                field="page_token",
                hint="start again without a token",
            )
        start = keys.index(token) + 1
    shown = tuple(items[start : start + size_of(size)])
    more = start + len(shown) < len(items)
    return Page(shown, key(shown[-1]) if more else "")
