import json

import pytest

from burnish import datasets, levels
from burnish.datasets import Dataset
from burnish.errors import UserError
from burnish.stage_spec import Curriculum

FIELD = "stages[0].rl.curriculum"


def rows(*values: object, column: str = "level") -> Dataset:
    lines = [json.dumps({"prompt": "p", column: value}) for value in values]
    return datasets.parse("\n".join(lines).encode(), "data.jsonl")


def curriculum(*names: object) -> Curriculum:
    return Curriculum(level_column="level", levels=names)


def refused(data: Dataset, config: Curriculum) -> UserError:
    with pytest.raises(UserError) as caught:
        levels.read(data, config, FIELD)
    return caught.value


def test_numbers_are_ordered_by_value_before_words() -> None:
    found = levels.read(rows(10, "hard", 2, "easy", "2.0"), curriculum(), FIELD)
    assert found.names == ("2", "10", "easy", "hard")
    assert found.of_row == (1, 3, 0, 2, 0)
    assert found.rows(0) == (2, 4)


def test_an_explicit_order_wins() -> None:
    found = levels.read(rows("hard", "easy"), curriculum("easy", "hard"), FIELD)
    assert found.names == ("easy", "hard")
    assert levels.read(rows(1, 2), curriculum(2, 1), FIELD).names == ("2", "1")


def test_without_a_column_all_rows_are_of_one_level() -> None:
    found = levels.read(rows(1, 2), Curriculum(adaptive={}), FIELD)
    assert found == levels.Levels(("",), (0, 0))


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    error = refused(rows(1, column="levels"), curriculum())
    assert error.field == f"{FIELD}.level_column"
    assert "did you mean `levels`?" in error.hint


@pytest.mark.parametrize("value", ["", None, "  "])
def test_a_row_without_a_level_is_named(value: object) -> None:
    error = refused(rows(1, value), curriculum())
    assert error.message.startswith("row 1 of the training file has no value in `level`")


def test_a_given_level_that_no_row_has_is_named() -> None:
    error = refused(rows("easy"), curriculum("easy", "hard"))
    assert error.message == "no row of the training file has the level `hard`"
    assert error.field == f"{FIELD}.levels[1]"
    assert error.hint == "levels of its rows: easy"


def test_a_row_whose_level_is_not_given_is_named() -> None:
    error = refused(rows("easy", "odd"), curriculum("easy"))
    assert error.message.startswith("row 1 of the training file has the level `odd`")


def test_a_column_that_sorts_nothing_is_refused() -> None:
    error = refused(rows(*range(300)), curriculum())
    assert "has 300 different values" in error.message
