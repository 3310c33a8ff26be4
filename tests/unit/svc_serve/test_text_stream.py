"""Text appears piece by piece, and nothing of it is ever taken back."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from svc_serve.cpu.stops import StopStrings
from svc_serve.text_stream import TextStream


def decode(token_ids: Sequence[int]) -> str:
    """One token per byte: characters may need up to four of them."""
    return bytes(token_ids).decode("utf-8", "replace")


def feed(text: str, stops: Sequence[str] = ()) -> list[str]:
    stream = TextStream(decode, stops)
    tokens = list(text.encode())
    pieces = [stream.push([token]) for token in tokens]
    return [*pieces, stream.push([], last=True)]


@given(st.text(max_size=40).filter(lambda text: "�" not in text))
def test_pieces_join_to_the_text(text: str) -> None:
    pieces = feed(text)
    assert "".join(pieces) == text
    assert all("�" not in piece for piece in pieces)


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_string(text: str, stops: list[str]) -> None:
    ends = [text.find(stop) for stop in stops if stop in text]
    # Generation ends with the token that completes the first stop string.
    tokens: list[int] = []
    checker = StopStrings(stops, decode)
    for byte in text.encode():
        tokens.append(byte)
        if checker.met(tokens):
            break
    said = "".join(feed(decode(tokens), stops))
    assert said == text[: len(said)]
    assert all(stop not in said for stop in stops)
    if not ends:
        assert said == text


def test_what_may_become_a_stop_string_is_held_back() -> None:
    assert feed("ab##", ["##!"]) == ["", "", "a", "b", "##"]


def test_tokens_after_the_stop_are_not_shown() -> None:
    stream = TextStream(decode, ["!"])
    assert stream.push(list(b"yes!no")) == "yes"
    assert stream.push(list(b"more"), last=True) == ""
