"""`deepcuts predict` as a person runs it: a packed file, pairs through a pipe, and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from commands import deepcuts
from pruned_models import pruned_run

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
