import json

import pytest

from tests.unit.examples.judging import Judge, ReadRows, RewardRaisedError, Row

CORRECT, FORMAT = "extraction/reward_correct.py", "extraction/reward_format.py"


def case(completion: str) -> Row:
    return {"name": "Ada", "age": "36", "city": "London", "completion": completion}


def test_labelled_rows_are_right(judge: Judge, read_rows: ReadRows) -> None:
    labelled = [row for row in read_rows("extraction/train.jsonl") if "completion" in row]

    assert len(labelled) == 8
    assert judge(CORRECT, labelled) == judge(FORMAT, labelled) == [1.0] * 8


def test_each_answer_can_be_found_in_its_prompt(read_rows: ReadRows) -> None:
    for file in ("train", "heldout"):
        for row in read_rows(f"extraction/{file}.jsonl"):
            assert all(row[key] in row["prompt"] for key in ("name", "age", "city")), row


def test_held_out_people_and_cities_are_new(read_rows: ReadRows) -> None:
    for key in ("name", "city"):
        trained = {row[key] for row in read_rows("extraction/train.jsonl")}
        assert trained.isdisjoint(row[key] for row in read_rows("extraction/heldout.jsonl"))


@pytest.mark.parametrize(
    ("completion", "well_formed", "right"),
    [
        ('{"name": "Ada", "age": 36, "city": "London"}', 1, 1),
        (' {"city":"London","age":36,"name":"Ada"}\n', 1, 1),
        ('{"name": "Bob", "age": 36, "city": "London"}', 1, 2 / 3),
        ('{"name": "Ada", "age": "36", "city": "London"}', 0, 2 / 3),
        ('{"name": "Ada", "age": 36.0, "city": "London"}', 0, 2 / 3),
        ('{"name": "Ada", "age": true, "city": null}', 0, 1 / 3),
        ('{"name": "Ada", "age": 36}', 0, 2 / 3),
        ('{"name": "Ada", "age": 36, "city": "London", "job": ""}', 0, 1),
        ('```json\n{"name": "Ada", "age": 36, "city": "London"}\n```', 0, 1),
        ('Here: {"name": "Ada", "age": 36, "city": "London"}', 0, 1),
        ('{"name": "Ada", "age": 36, "city": "London"', 0, 0),
        ('[{"name": "Ada", "age": 36, "city": "London"}]', 0, 1),
        ('["Ada", 36, "London"]', 0, 0),
        ("Ada, 36, London", 0, 0),
        ("[" * 100_000, 0, 0),
        ('{"name":' * 100_000, 0, 0),
        ("", 0, 0),
    ],
)
def test_answers(completion: str, well_formed: float, right: float, judge: Judge) -> None:
    assert judge(FORMAT, [case(completion)]) == [well_formed]
    assert judge(CORRECT, [case(completion)]) == [pytest.approx(right)]


def test_a_row_without_the_expected_values_is_an_error(judge: Judge) -> None:
    with pytest.raises(RewardRaisedError, match="KeyError"):
        judge(CORRECT, [{"completion": json.dumps({"name": "Ada"})}])
