"""Any bytes as a kernel's output: compared, never an exception, and right only where it is right."""

import math
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_reward.lane.kernels import evidence, packing
from svc_reward.lane.kernels.reference import Expected

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64,
]  # fmt: skip
SHAPES = st.lists(st.integers(0, 4), max_size=3)
TENSORS = st.lists(st.tuples(st.sampled_from(DTYPES), SHAPES), min_size=1, max_size=3)


def answer(wanted: list[tuple[torch.dtype, list[int]]]) -> Expected:
    native = tuple(
        torch.arange(1, math.prod(shape) + 1).reshape(shape).to(dtype) for dtype, shape in wanted
    )
    exact = tuple(each.double() if each.is_floating_point() else each for each in native)
    names = tuple(f"[{index}]" for index in range(len(native)))
    return Expected(names, native, exact, aliased=False, mutated=False)


def as_bytes(tensors: tuple[torch.Tensor, ...]) -> bytes:
    return bytes(packing.buffer(packing.pack(tensors)))


@given(TENSORS, st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_compared(wanted: list[tuple[torch.dtype, list[int]]], data: Any) -> None:  # noqa: ANN401
    expected = answer(wanted)
    size = packing.size_of(expected.layouts)
    noise = bytearray(data.draw(st.binary(min_size=size, max_size=size)))
    memory = torch.frombuffer(noise, dtype=torch.uint8) if size else torch.zeros(0).byte()
    outputs = packing.unpack(memory, expected.layouts)
    for accumulates in (False, True):
        found = evidence.agrees(outputs, expected, accumulates=accumulates)
        assert len(found.text) < 500
        if found.right:
            for output, right in zip(outputs, expected.exact, strict=True):
                assert (
                    torch.allclose(output.to(right.dtype), right, rtol=0.1, atol=0.1)
                    or not output.dtype.is_floating_point
                )


@given(TENSORS)
@settings(max_examples=200, deadline=None)
def test_what_is_packed_is_unpacked(wanted: list[tuple[torch.dtype, list[int]]]) -> None:
    expected = answer(wanted)
    memory = torch.frombuffer(bytearray(as_bytes(expected.native) or b"\0"), dtype=torch.uint8)
    outputs = packing.unpack(memory, expected.layouts)
    assert evidence.agrees(outputs, expected, accumulates=False).right
    assert all(map(torch.equal, outputs, expected.native))


LITERALS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.binary(max_size=5),
    st.floats(allow_nan=False), st.complex_numbers(allow_nan=False, allow_infinity=False),
    st.sampled_from(DTYPES),
)  # fmt: skip
NESTED = st.recursive(
    LITERALS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(NESTED)
@settings(max_examples=300, deadline=None)
def test_arguments_survive_their_encoding(value: Any) -> None:  # noqa: ANN401
    try:
        tree = packing.encode(value, [])
    except TypeError:
        return
    assert packing.decode(tree, []) == value
