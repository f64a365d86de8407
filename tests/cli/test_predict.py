"""`deepcuts predict` as a person runs it: a packed file, pairs through a pipe, and bad input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from commands import deepcuts
from pruned_models import pruned_run
from runs import tiny_model_folder

from deepcuts.deploy.export.exporting import export
from deepcuts.models.loading import load_finetuned

PAIRS = [("the dog is here", "the cat is not away"), ("the fox", "the hen is home")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pruned_run(tmp_path_factory.mktemp("home") / "run")


def predict(*arguments: object, given: str = "") -> CompletedProcess[str]:
    return deepcuts("predict", *arguments, given=given)


def test_pairs_through_a_pipe_by_the_sparse_runtime_from_a_packed_file(run: Path, tmp_path: Path) -> None:
    export(str(run), "packed", tmp_path / "packed")
    lines = "".join(f"{first}\t{second}\n" for first, second in PAIRS)
    done = predict(tmp_path / "packed", "--pair", "--runtime", "sparse", "--batch-size", 1, given=lines)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert "pruned layers run sparse by the kernel" in done.stderr
    assert "as asked: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert [(row["text"], row["pair"]) for row in rows] == PAIRS
    model, tokenizer = load_finetuned(str(run))
    for row, pair in zip(rows, PAIRS, strict=True):
        with torch.no_grad():
            shares = model(**tokenizer(*pair, return_tensors="pt")).logits[0].softmax(-1)
        assert row["label"] == model.config.id2label[int(shares.argmax())]
        assert row["score"] == pytest.approx(float(shares.max()), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        (["--runtime", "fast"], "", "runtime: got 'fast'"),
        (["--file", "nowhere.txt"], "", "nowhere.txt"),
        (["a", "b", "c", "--pair"], "", "even number"),
    ],
    ids=str,
)
def test_bad_input_is_one_message_and_status_2(
    run: Path, options: list[str], given: str, message: str
) -> None:
    done = predict(run, *options, given=given)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("deepcuts: ")
    assert done.stderr.count("\n") == 1
    assert not done.stdout


SINGLE, PAIR = {"text": "the dog is here"}, {"text": "the dog", "pair": "is here"}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same run, as one of single texts and as one of pairs."""
    found = {}
    for name, text in {"single": ["text"], "pairs": ["first", "second"]}.items():
        found[name] = folder = tmp_path_factory.mktemp(name) / "run"
        shutil.copytree(run, folder)
        config = {"strategy": "Random", "rewind": "finetuned", "data": {"text": text}, "max_length": 16}
        (folder / "config.json").write_text(json.dumps(config))
    return found


@pytest.mark.parametrize(
    ("kind", "rows", "options", "message"),
    [
        (None, [SINGLE, PAIR], [], "rows.jsonl:2: .* it is a pair, and the first line is a single text"),
        (None, [PAIR, SINGLE], [], "rows.jsonl:2: .* it is a single text, and the first line is a pair"),
        (None, [SINGLE], ["--pair"], "rows.jsonl:1: .* with --pair it must be a pair"),
        ("single", [PAIR], [], "rows.jsonl:1: .* each row of this run is a single text"),
        ("pairs", [SINGLE], [], "rows.jsonl:1: .* each row of this run is a pair"),
    ],
)
def test_rows_are_all_single_or_all_pairs_as_the_run_was_trained(
    run: Path,
    trained: dict[str, Path],
    tmp_path: Path,
    kind: str | None,
    rows: Any,
    options: Any,
    message: str,
) -> None:
    done = predict(trained.get(str(kind), run), "--file", write(tmp_path / "rows.jsonl", rows), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(message, done.stderr), done.stderr


def test_arguments_and_standard_input_are_what_the_run_was_trained_on_too(trained: dict[str, Path]) -> None:
    for name, options in {"single": ["--pair"], "pairs": []}.items():
        for arguments, given in ((["a", "b"], ""), ([], "a\tb\n")):
            done = predict(trained[name], *arguments, *options, given=given)
            assert (done.returncode, done.stdout) == (2, "")
            assert "pair: got" in done.stderr
    done = predict(trained["pairs"], "the dog", "is here", "--pair")
    assert json.loads(done.stdout)["pair"] == "is here"


def test_answers_belong_to_lines_of_the_file_whatever_characters_are_in_them(
    run: Path, tmp_path: Path
) -> None:
    texts = ["the dog\u2028is here", "the\x85cat", "a\x0cfox", "[b] hen :smile:"]
    (tmp_path / "texts.txt").write_bytes("\ufeff".encode() + "\r\n".join(texts).encode())
    write(tmp_path / "rows.jsonl", [])
    (tmp_path / "rows.jsonl").write_text(
        "\ufeff" + "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts),
        encoding="utf-8",
    )
    for name in ("texts.txt", "rows.jsonl"):
        done = predict(run, "--file", tmp_path / name)
        lines = done.stdout.splitlines()
        assert [json.loads(line)["text"] for line in lines] == texts, done.stderr


def test_text_that_is_none_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes("the caf\xe9".encode("latin-1"))
    (tmp_path / "rows.jsonl").write_text('{"text": "half a pair: \\ud800"}')
    (tmp_path / "wide.txt").write_bytes("the dog".encode("utf-16"))
    for name, message in {
        "texts.txt": "not UTF-8",
        "rows.jsonl": "valid Unicode",
        "wide.txt": "UTF-16",
    }.items():
        done = predict(run, "--file", tmp_path / name)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_list_of_objects_and_what_is_none(run: Path, tmp_path: Path) -> None:
    rows = [{"text": "the dog is here"}, {"text": "the cat"}]
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "lines.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [predict(run, "--file", tmp_path / name).stdout for name in ("list.json", "lines.json")]
    assert said[0] == said[1]
    assert [json.loads(line)["text"] for line in said[0].splitlines()] == ["the dog is here", "the cat"]
    for content, message in {
        '[{"text": "a"}, {"pair": "b"}]': "list.json, row 2: ",
        '[{"text": "a"}': "it must be a list of JSON objects",
        '[{"text": "a", "text": "b"}]': "'text' stands twice",
    }.items():
        (tmp_path / "list.json").write_text(content)
        done = predict(run, "--file", tmp_path / "list.json")
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr


def test_tables_are_no_texts_a_line(tmp_path: Path) -> None:
    """A header would be a text, and so would the numbers of a Parquet file."""
    model = tiny_model_folder(tmp_path / "model")
    for name, content in {
        "a.csv": "text,label\nthe dog,no\n",
        "a.tsv": "the dog\tno\n",
        "a.parquet": "x",
    }.items():
        (tmp_path / name).write_text(content)
        done = deepcuts("predict", model, "--file", tmp_path / name)
        assert done.returncode == 2
        assert "a table is none of what is read" in done.stderr
    assert deepcuts("predict", model, "--file", tmp_path / "a.tsv", "--pair").returncode == 0


def test_a_list_of_json_may_begin_after_empty_lines(tmp_path: Path) -> None:
    model = tiny_model_folder(tmp_path / "model")
    (tmp_path / "a.json").write_text(" \n\n" + " " * 2000 + '[{"text": "the dog"}]')
    assert deepcuts("predict", model, "--file", tmp_path / "a.json").stdout.count("\n") == 1
