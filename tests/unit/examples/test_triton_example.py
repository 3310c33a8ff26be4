import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.examples.judging import Judge, ReadRows, RewardRaisedError, Row

CORRECT, RAN = "triton/reward_correct.py", "triton/reward_ran.py"
PRIMITIVE = re.compile(r"(?:torch|F)\.\w+")


@pytest.fixture(scope="module")
def data() -> ModuleType:
    path = Path(__file__).parents[3] / "examples" / "triton" / "make_data.py"
    spec = importlib.util.spec_from_file_location("triton_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_labelled_rows_are_right(judge: Judge, read_rows: ReadRows) -> None:
    labelled = [row for row in read_rows("triton/train.jsonl") if "completion" in row]

    assert len(labelled) == 12
    assert judge(CORRECT, labelled) == judge(RAN, labelled) == [1.0] * 12


def test_every_other_row_can_be_solved(judge: Judge, data: ModuleType) -> None:
    solved: list[Row] = [
        {"expression": expression, "completion": body} for expression, body in data.operations()
    ]

    assert judge(CORRECT, solved) == [1.0] * (data.POOL + 2 * data.HELD_OUT)


@pytest.mark.parametrize(
    ("body", "ran"),
    [
        ("out = x", 1.0),
        ("out = y", 1.0),
        ("out = 0.0", 1.0),
        ("out = tl.maximum(x, 0.0) - y", 1.0),
        ("out = tl.maximum(y, 0.0) + x", 1.0),
        ("out = tl.relu(x) + y", 0.0),
        ("out = torch.relu(x) + y", 0.0),
        ("out = x.abs() + y", 0.0),
        ("out = max(x, 0.0) + y", 0.0),
        ("out = tl.load(x_ptr + offsets)", 0.0),
        ("out = __import__('torch').relu(x) + y", 0.0),
        ("import torch", 0.0),
        ("mask = x > 0\nout = x + y", 0.0),
        ("x_ptr = out_ptr", 0.0),
        ("for i in range(3): out = x", 0.0),
        ("x = x", 0.0),
        ("out = tl.maximum(x, 0.0) + y\nThis is the kernel.", 0.0),
        ("```\nout = tl.maximum(x, 0.0) + y\n```", 0.0),
        ("out = '" + "x" * 500 + "'", 0.0),
        ("out = " + "-" * 10_000 + "x", 0.0),
        ("\0", 0.0),
        ("", 0.0),
    ],
)
def test_wrong_bodies_score_nothing(body: str, ran: float, judge: Judge) -> None:
    case = {"expression": "torch.relu(x) + y", "completion": body}

    assert judge(CORRECT, [case] * 3) == [0.0] * 3
    assert judge(RAN, [case]) == [ran]


def test_other_right_bodies_score_too(judge: Judge) -> None:
    bodies = [
        "  out = tl.where(x > 0, x, 0) + y\n",
        "r = tl.maximum(x, 0)\nout = r + y",
        "x = tl.maximum(0.0, x)\ny += x\nout = y",
        "out = (x + tl.abs(x)) / 2 + y  # half of each",
    ]
    cases = [{"expression": "torch.relu(x) + y", "completion": body} for body in bodies]

    assert judge(CORRECT, cases) == [1.0, 1.0, 0.0, 1.0]


def test_undefined_values_must_be_undefined_in_the_same_places(judge: Judge) -> None:
    bodies = ["out = tl.log(x)", "out = tl.log(tl.abs(x))", "out = tl.log(x * 0.0 - 1.0)"]
    cases = [{"expression": "torch.log(x)", "completion": body} for body in bodies]

    assert judge(CORRECT, cases) == [1.0, 0.0, 0.0]


def test_a_broken_row_is_an_error_and_not_a_score(judge: Judge) -> None:
    with pytest.raises(RewardRaisedError, match="NameError"):
        judge(CORRECT, [{"expression": "torch.relu(z)", "completion": "out = x"}])


def test_both_rewards_build_the_same_kernel(examples: Path) -> None:
    parts = [
        (examples / file).read_text().split("# --- kernel")[1].split("# --- end of kernel")[0]
        for file in (CORRECT, RAN)
    ]
    assert parts[0] == parts[1]


def test_each_primitive_of_a_held_out_operation_is_trained_on(read_rows: ReadRows) -> None:
    def primitives(file: str) -> set[str]:
        return set(PRIMITIVE.findall(" ".join(row["expression"] for row in read_rows(file))))

    trained = primitives("triton/train.jsonl")
    assert primitives("triton/heldout.jsonl") <= trained
    assert primitives("triton/fresh.jsonl") <= trained


def test_no_operation_is_in_two_files(read_rows: ReadRows) -> None:
    names = ("train", "heldout", "fresh")
    expressions = [row["expression"] for n in names for row in read_rows(f"triton/{n}.jsonl")]

    assert len(expressions) == len(set(expressions)) == 12 + 72 + 24 + 24


@pytest.mark.model
def test_bodies_are_short(data: ModuleType, model_dir: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    bodies = [*data.LABELLED.values(), *(body for _, body in data.operations())]
    lengths = {body: len(tokenizer.encode(body).ids) for body in bodies}
    limit = 32 - 1  # the job's max_tokens, less the end-of-turn token

    assert max(lengths.values()) <= 24 < limit, json.dumps(lengths)
