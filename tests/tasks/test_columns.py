from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepcuts.common.errors import DataError
from deepcuts.tasks.columns import read_columns

ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n"), max_size=20)
AWKWARD = [
    'say "no"',
    '"',
    "'",
    "NA",
    "None",
    "null",
    "nan",
    "",
    " ",
    "1",
    "01",
    "a,b",
    "é😀",
    "\u2028",
    "\x85",
]


def rows_of(text):
    return st.lists(st.tuples(text, text), min_size=1, max_size=8)


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def write_tsv(path, rows):
    lines = ["\t".join(row) + "\n" for row in [("text", "label"), *rows]]
    path.write_bytes("".join(lines).encode())


def write_json_lines(path, rows):
    lines = [json.dumps({"text": a, "label": b}, ensure_ascii=False) + "\n" for a, b in rows]
    path.write_bytes("".join(lines).encode())


def write_parquet(path, rows):
    pq.write_table(pa.table({"text": [a for a, _ in rows], "label": [b for _, b in rows]}), path)


def assert_round_trip(suffix, write, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        write(path, rows)
        columns, _ = read_columns(path, ("label", "text"))
    assert columns == {"text": [a for a, _ in rows], "label": [b for _, b in rows]}


@settings(max_examples=60, deadline=None)
@example([(text, text) for text in [*AWKWARD, "two\nlines", "tab\t", "\r\n"]])
@given(rows_of(ANY))
def test_what_is_written_as_csv_is_read_back(rows):
    assert_round_trip(".csv", write_csv, rows)


@settings(max_examples=60, deadline=None)
@example([(text, text) for text in AWKWARD])
@given(rows_of(LINE))
def test_what_is_written_as_tsv_is_read_back(rows):
    assert_round_trip(".tsv", write_tsv, rows)


@settings(max_examples=60, deadline=None)
@example([(text, text) for text in [*AWKWARD, "two\nlines", "tab\t", "\r\n", "\0"]])
@given(rows_of(ANY))
def test_what_is_written_as_json_lines_is_read_back(rows):
    assert_round_trip(".jsonl", write_json_lines, rows)


@settings(max_examples=60, deadline=None)
@example([(text, text) for text in [*AWKWARD, "two\nlines", "tab\t", "\r\n", "\0"]])
@given(rows_of(ANY))
def test_what_is_written_as_parquet_is_read_back(rows):
    assert_round_trip(".parquet", write_parquet, rows)


@pytest.mark.parametrize("suffix", [".ndjson", ".json", ".JSONL"])
def test_json_lines_go_by_other_suffixes_too(suffix):
    assert_round_trip(suffix, write_json_lines, [("a", "b")])


def test_a_byte_order_mark_windows_line_ends_and_blank_csv_lines_are_no_data(tmp_path):
    mark = b"\xef\xbb\xbf"
    contents = {
        "a.csv": b"text,label\r\nx,1\r\n\r\n",
        "a.tsv": b"text\tlabel\r\nx\t1\r\n",
        "a.jsonl": b'{"text": "x", "label": "1"}\r\n\n',
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(mark + content)
        assert read_columns(path, ("text", "label"))[0] == {"text": ["x"], "label": ["1"]}


def test_a_carriage_return_inside_a_tsv_text_stays(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"text\tlabel\none\rtwo\t1\n")
    assert read_columns(path, ("text",))[0] == {"text": ["one\rtwo"]}


def test_json_and_parquet_keep_types_and_show_what_is_missing_as_none(tmp_path):
    values = [1, 2.5, None, True, "1"]
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps({"x": "t"} | ({} if v is None else {"y": v})) + "\n" for v in values))
    assert read_columns(lines, ("y",))[0] == {"y": values}
    pq.write_table(pa.table({"y": [1, None]}), tmp_path / "a.parquet")
    assert read_columns(tmp_path / "a.parquet", ("y",))[0] == {"y": [1, None]}


def test_rows_are_named_by_line_where_a_row_is_a_line(tmp_path):
    for name, write, expected in [
        ("a.csv", write_csv, "row 1"),
        ("a.tsv", write_tsv, "line 2"),
        ("a.jsonl", write_json_lines, "line 1"),
        ("a.parquet", write_parquet, "row 1"),
    ]:
        write(tmp_path / name, [("x", "y")])
        assert read_columns(tmp_path / name, ("text",))[1].at(0) == f"{tmp_path / name}, {expected}"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.txt",
            b"x",
            r"the suffix is '.txt', but it must be one of .csv, .tsv, .jsonl, .ndjson, .json, .parq",
        ),
        ("a.pkl", b"x", r"the suffix is '.pkl'"),
        ("a", b"x", "the suffix is ''"),
        ("a.csv", None, "there is no such file"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "holds no rows"),
        ("a.csv", b"text,klass\nx,1\n", "has no column 'label'; its columns are 'text', 'klass'"),
        ("a.csv", b"text,label,label\nx,1,2\n", "has more than one column 'label'"),
        ("a.csv", b"text,label\nx,1\ny,1,2\n", "row 2: has 3 fields, but the header has 2"),
        ("a.csv", b'text,label\nx,1\n"open,2\n', "line 3: unexpected end of data"),
        ("a.csv", b"text,label\n\xff\xfe,1\n", r"is not UTF-8 text \(byte 11\)"),
        ("a.csv", "text,label\nx,1\n".encode("utf-16"), "is not UTF-8 text"),
        ("a.tsv", b"text\tlabel\nx\t1\nno tab\n", "line 3: has 1 fields, but the header has 2"),
        ("a.tsv", b"text\tlabel\nx\t1\n\ny\t1\n", "line 3: has 1 fields"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n{"text": \n', "line 2: is not JSON"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n\n{"text": "y"}\n', "line 2: is not JSON"),
        ("a.jsonl", b'[{"text": "x", "label": 1}]', "line 1: is not a JSON object; one object a line"),
        ("a.json", b'[{"text": "x", "label": 1}, 2]', "row 2: is 2, but an object is expected"),
        ("a.json", b'[{"text": "x", "label": 1},', "a.json: is not JSON"),
        ("a.json", b"[]", "holds no rows|has no column"),
        ("a.jsonl", b'{"text": "x", "text": "y", "label": 1}', "line 1: is not JSON .'text' stands twice"),
        ("a.jsonl", b"[" * 100_000, "line 1: is not JSON"),
        ("a.parquet", b"PAR1 certainly not PAR1", "can't be read"),
        ("a.parquet", b"text,label\nx,1\n", "can't be read"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_the_reason(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_columns(path, ("text", "label"))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file_and_one_with_broken_text_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, [("some text", "1")] * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="can't be read"):
        read_columns(path, ("text",))
    broken = pa.array([b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"text": broken}), path)
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read_columns(path, ("text",))


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match="there is no such file"):
        read_columns(tmp_path / "a.csv", ("text",))


def test_a_field_of_a_csv_file_may_be_as_long_as_one_of_another(tmp_path: Path) -> None:
    text = "word " * 40_000
    (tmp_path / "a.csv").write_text(f'text,label\n"{text}",1\n')
    columns, _ = read_columns(tmp_path / "a.csv", ["text"])
    assert columns["text"] == [text]
    assert csv.field_size_limit() == 131_072  # as Python has it for others


@pytest.mark.parametrize("before", [b"", b"\n ", b"\xef\xbb\xbf"])
def test_a_list_of_objects_is_read_as_its_lines_are(tmp_path, before):
    rows = [{"text": "a\nb", "label": 1}, {"label": "no", "text": "c"}, {"text": "d"}]
    (tmp_path / "list.json").write_bytes(before + json.dumps(rows, indent=1).encode())
    (tmp_path / "lines.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, origin = read_columns(tmp_path / "list.json", ["text", "label"])
    assert found == read_columns(tmp_path / "lines.json", ["text", "label"])[0]
    assert found == {"text": ["a\nb", "c", "d"], "label": [1, "no", None]}
    assert origin.at(1).endswith("list.json, row 2")


def test_a_list_of_json_may_begin_after_much_space(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(" " * 2000 + '\n[{"a": 1}]')
    assert read_columns(path, ["a"])[0] == {"a": [1]}
