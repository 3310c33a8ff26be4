import io
import json

import pytest

from burnish.datasets import ChatMessage, parse
from burnish.errors import UserError

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "ho"}


def jsonl(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def parquet(rows: list[dict[str, object]]) -> bytes:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def test_jsonl_rows_have_messages_and_every_column_as_text() -> None:
    data = parse(jsonl({"prompt": "p", "n": 3, "tags": ["ä"], "none": None}), "d.jsonl")
    row = data.rows[0]
    assert row.messages == (ChatMessage("user", "p"),)
    assert row.example == {"prompt": "p", "n": "3", "tags": '["ä"]', "none": ""}
    assert row.completion is None
    assert data.columns == ("prompt", "n", "tags", "none")


def test_the_three_formats_agree() -> None:
    rows = [{"prompt": "a,\nb", "completion": "c"}, {"prompt": "d", "completion": ""}]
    csv = b'prompt,completion\r\n"a,\nb",c\r\nd,\r\n'
    wanted = parse(jsonl(*rows), "x.jsonl")
    assert parse(csv, "x.CSV") == wanted
    assert parse(parquet(rows), "x.parquet") == wanted
    assert [row.id for row in wanted.labelled] == ["0"]


@pytest.mark.parametrize("column", ["prompt", "messages"])
def test_conversations(column: str) -> None:
    rows = parse(jsonl({column: [USER]}, {column: [USER, ANSWER]}), "d.jsonl").rows
    assert rows[0].messages == rows[1].messages == (ChatMessage("user", "hi"),)
    assert rows[0].completion is None
    assert rows[1].completion == "ho"


def test_an_explicit_completion_wins_and_may_be_a_message() -> None:
    rows = parse(
        jsonl(
            {"messages": [USER, ANSWER], "completion": "x"}, {"prompt": "p", "completion": [ANSWER]}
        ),
        "d.jsonl",
    ).rows
    assert [row.completion for row in rows] == ["x", "ho"]


def test_csv_may_hold_messages_as_json() -> None:
    content = 'messages\n"' + json.dumps([USER]).replace('"', '""') + '"\n'
    assert parse(content.encode(), "d.csv").rows[0].messages == (ChatMessage("user", "hi"),)


def test_blank_lines_and_a_byte_order_mark_are_fine() -> None:
    assert len(parse(b'\xef\xbb\xbf{"prompt": "a"}\n\n{"prompt": "b"}\r\n', "d.jsonl").rows) == 2


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"x", "d.txt", "a .jsonl, .csv or .parquet file, not .txt"),
        (b"x", "d", "not a file without ending"),
        (b" \n", "d.jsonl", "d.jsonl is empty"),
        (b"prompt\n", "d.csv", "d.csv has no rows"),
        (jsonl({"question": "q", "answer": "a"}), "d.jsonl", "it has: question, answer"),
        (b'{"prompt": "a"}\n{"prompt": ', "d.jsonl", "line 2 is not valid JSON"),
        (b"[1]", "d.jsonl", "line 1 is a list, not a JSON object"),
        (b'{"prompt": "a"}\n{"prompt": ""}', "d.jsonl", "line 2: the prompt is missing"),
        (b'{"prompt": "a"}\n{"x": "b"}', "d.jsonl", "line 2: the prompt is missing"),
        (jsonl({"prompt": 5}), "d.jsonl", "the prompt is missing"),
        (jsonl({"prompt": "a", "completion": 5}), "d.jsonl", "`completion` is a number, not text"),
        (jsonl({"messages": [ANSWER]}), "d.jsonl", "an answer but no question"),
        (jsonl({"messages": [{"role": "bot", "content": "x"}]}), "d.jsonl", "role 'bot'"),
        (jsonl({"messages": ["x"]}), "d.jsonl", "a message is an object"),
        (b"prompt,a\nx\n", "d.csv", "line 2 has another number of columns"),
        (b'prompt\n"x', "d.csv", "not valid CSV"),
        (b"messages\nhello\n", "d.csv", "not a JSON list"),
        (b"\xff\xfe", "d.jsonl", "not UTF-8"),
        (b"PAR1", "d.parquet", "not a Parquet file"),
    ],
)
def test_every_mistake_is_one_sentence(content: bytes, name: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(content, name)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
