"""Problems of a benchmark become tasks, or are left out with a reason."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from burnish import datasets
from burnish.errors import UserError
from burnish.tasks import KernelTask, Unusable, examine, read

SOURCE = """\
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)

def get_inputs():
    return [torch.randn(4, 4)]

def get_init_inputs():
    return []
"""


def problem(level: int, number: int, **changes: object) -> dict[str, object]:
    return {"level": level, "problem_id": number, "name": f"{number}_P", "code": SOURCE, **changes}


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_folders_tables_and_lines_hold_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "KernelBench"
    for level in (1, 2):
        (folder / f"level{level}").mkdir(parents=True)
        (folder / f"level{level}" / "3_P.py").write_text(SOURCE)
    (folder / "level1" / "notes.py").write_text("")
    rows = [problem(2, 3), problem(1, 3)]
    lines = jsonl(tmp_path / "problems.jsonl", *rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "problems.parquet")
    found = [read(path).tasks for path in (folder, lines, tmp_path / "problems.parquet")]
    assert found[0] == found[1] == found[2]
    assert [task.id for task in found[0]] == ["kernelbench/1/3", "kernelbench/2/3"]


def test_one_level_of_a_folder_and_of_a_named_table(tmp_path: Path) -> None:
    (tmp_path / "level2").mkdir()
    (tmp_path / "level2" / "5_P.py").write_text(SOURCE)
    row = problem(0, 5)
    del row["level"]
    table = jsonl(tmp_path / "level_2.jsonl", row)
    assert read(tmp_path / "level2").tasks == read(table).tasks
    assert read(table).tasks[0].level == 2


def test_levels_are_chosen(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", problem(1, 1), problem(2, 1), problem(3, 1))
    assert [task.level for task in read(path, levels=(2, 3)).tasks] == [2, 3]
    with pytest.raises(UserError, match="no usable task of level 4"):
        read(path, levels=[4])


def test_what_teaches_the_wrong_thing_is_left_out_with_its_reason(tmp_path: Path) -> None:
    rows = [problem(1, 1), problem(1, 23), problem(2, 80), problem(1, 1), problem(1, 2, code="def")]
    path = jsonl(tmp_path / "p.jsonl", *rows)
    found = read(path)
    assert [task.id for task in found.tasks] == ["kernelbench/1/1"]
    reasons = {each.id: each.reason for each in found.skipped}
    assert "hardly depends" in reasons["kernelbench/1/23"]
    assert "always zero" in reasons["kernelbench/2/80"]
    assert "does not parse" in reasons["kernelbench/1/2"]
    assert len(read(path, everything=True).tasks) == 3


def test_reduced_sizes_have_reasons_of_their_own(tmp_path: Path) -> None:
    reduced = {"changed": {"N": [4096, 70]}}
    rows = [problem(1, 23, **reduced), problem(2, 8, **reduced), problem(2, 8)]
    path = jsonl(tmp_path / "p.jsonl", *rows)
    assert {task.id for task in read(path).tasks} == {"kernelbench/1/23", "kernelbench/2/8"}


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (SOURCE.replace("Model", "Net"), "class `Model`"),
        (SOURCE.replace("forward", "call"), "`forward`"),
        (SOURCE.replace("get_inputs", "inputs"), "`get_inputs`"),
        ("x = 1\n" + "(" * 5000, "does not parse"),
        ("\0", "does not parse"),
    ],
)
def test_a_source_that_is_no_task_names_what_is_missing(source: str, missing: str) -> None:
    with pytest.raises(Unusable, match=missing):
        examine(source)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"level": 1, "problem_id": 1, "name": "n"}, "code"),
        (problem(1, 1) | {"level": "one"}, "level"),
        (problem(1, 1, code=3), "code"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: object, field: str) -> None:
    with pytest.raises(UserError, match="line 1") as caught:
        read(jsonl(tmp_path / "p.jsonl", row))
    assert caught.value.field == field


def test_other_paths_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jsonl", tmp_path / "x.txt"):
        with pytest.raises(UserError):
            read(path)


def test_a_row_is_a_dataset_row_that_the_preset_can_judge() -> None:
    task = KernelTask("a/1", "relu", 1, SOURCE, ({"rows": 3},))
    dataset = datasets.parse((json.dumps(task.row()) + "\n").encode(), "tasks.jsonl")
    example = dataset.rows[0].example
    assert example["task"] == SOURCE
    assert json.loads(example["shapes"]) == [{"rows": 3}]
    assert example["level"] == "1"
    assert "class ModelNew" in dataset.rows[0].messages[0].content
    assert dataset.rows[0].messages[0].content.endswith(SOURCE.strip() + "\n```")
