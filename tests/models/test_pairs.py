"""A model says in every form whether it was trained on single texts or on pairs; other rows are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import deepcuts
from runs import tiny_model_folder, write_csv

SINGLE = ["--text", "a"]
PAIR = ["--text", "a", "--text", "b"]


def rows_of(folder: Path) -> list[str]:
    rows = [
        {"a": f"the {animal} is {word}here", "b": "the cat", "target": target}
        for animal in ("dog", "cat", "cow")
        for word, target in (("not ", "no"), ("", "yes"))
    ]
    path = str(write_csv(folder / "rows.csv", rows))
    return ["--train", path, "--dev", path, "--label", "target"]


@pytest.mark.parametrize(("own", "other"), [(SINGLE, PAIR), (PAIR, SINGLE)], ids=["single", "pair"])
def test_rows_of_another_number_of_texts_are_refused(
    tmp_path: Path, own: list[str], other: list[str]
) -> None:
    data, run = rows_of(tmp_path), tmp_path / "run"
    rest = ["--strategy", "LayerMagWeight", "--density", "0.5", "--epochs", "0+0", "--select-on", "dev"]
    tiny_model_folder(tmp_path / "model")
    done = deepcuts("prune", "--model", tmp_path / "model", *data, *own, *rest, "-o", run)
    assert done.returncode == 0, done.stderr
    for form in ("dense", "sparse", "packed"):
        assert deepcuts("export", run, "--format", form, "-o", tmp_path / form).returncode == 0
    for form in (run, run / "model", tmp_path / "dense", tmp_path / "sparse", tmp_path / "packed"):
        assert deepcuts("evaluate", form, *data, *own).returncode == 0
        done = deepcuts("evaluate", form, *data, *other)
        assert done.returncode == 2
        assert "model: it was trained on " in done.stderr
        right = ["the dog", "the cat", *(["--pair"] if own is PAIR else [])]
        assert deepcuts("predict", form, *right).returncode == 0
        wrong = ["the dog", "the cat", *(["--pair"] if own is SINGLE else [])]
        assert deepcuts("predict", form, *wrong).returncode == 2
    bench = ["--no-memory", "--turns", 3, "--shape", "1x4", "--only", "dense-fp32"]
    assert deepcuts("bench", run, *data, *other, *bench).returncode == 2
    # A head that was trained on the others is not taken for the same.
    again = ["prune", "--model", run / "model", *data, *other, *rest, "--dry-run", "-o", tmp_path / "again"]
    assert deepcuts(*again).returncode == 2
    assert deepcuts(*again, "--head", "new").returncode == 0
