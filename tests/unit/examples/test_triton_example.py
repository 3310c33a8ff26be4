"""The data of the Triton example. That its kernels score is tested in lanes, by
`tests/integration/test_example_kernels.py`."""

import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from svc_reward.lane.kernels import template
from tests.unit.examples.judging import ReadRows

PRIMITIVE = re.compile(r"(?:torch|F)\.\w+")
FILES = ("train", "heldout", "fresh")


def test_each_row_has_what_the_preset_reads(read_rows: ReadRows) -> None:
    for name in FILES:
        for row in read_rows(f"triton/{name}.jsonl"):
            assert f"return {row['expression']}\n" in row["task"]
            assert "    out = x\n    tl.store" in template.fill(row["template"], "out = x")
            assert json.loads(row["shapes"]) == [{"SIZE": 41}]


def test_twelve_rows_are_labelled(read_rows: ReadRows) -> None:
    assert sum("completion" in row for row in read_rows("triton/train.jsonl")) == 12


def test_each_primitive_of_a_held_out_operation_is_trained_on(read_rows: ReadRows) -> None:
    def primitives(file: str) -> set[str]:
        return set(PRIMITIVE.findall(" ".join(row["expression"] for row in read_rows(file))))

    trained = primitives("triton/train.jsonl")
    assert primitives("triton/heldout.jsonl") <= trained
    assert primitives("triton/fresh.jsonl") <= trained


def test_no_operation_is_in_two_files(read_rows: ReadRows) -> None:
    expressions = [row["expression"] for n in FILES for row in read_rows(f"triton/{n}.jsonl")]

    assert len(expressions) == len(set(expressions)) == 12 + 72 + 24 + 24


@pytest.mark.model
def test_bodies_are_short(triton_data: ModuleType, model_dir: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    bodies = [*triton_data.LABELLED.values(), *(body for _, body in triton_data.operations())]
    lengths = {body: len(tokenizer.encode(body).ids) for body in bodies}
    limit = 32 - 1  # the job's max_tokens, less the end-of-turn token

    assert max(lengths.values()) <= 24 < limit, json.dumps(lengths)
