"""Several labels a row: read from every form of file, measured as by scikit-learn, in every command."""

from __future__ import annotations

import itertools
import json
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from every_command import call, check_every_command, prune
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import ANIMALS, PLACES
from sklearn.metrics import f1_score, label_ranking_average_precision_score

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks import TaskData, baseline, kind_named, load_files, measure
from deepcuts.tasks.resampling import draw_counts

KIND = kind_named("labels")
ROWS = [("one two", ["joy", "fear"]), ("two", []), ("three", ["fear"])]


def load(train: Path, dev: Path | None = None, label: str = "labels", kind: str | None = None) -> TaskData:
    return load_files(train, dev or train, ["text"], label, kind)


def json_lines(folder: Path, rows: list[tuple[str, Any]], name: str = "train") -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"text": text, "labels": held}) + "\n" for text, held in rows))
    return path


def parquet(folder: Path) -> Path:
    path = folder / "train.parquet"
    pq.write_table(pa.table({"text": [text for text, _ in ROWS], "labels": [held for _, held in ROWS]}), path)
    return path


def test_lists_columns_and_commas_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "commas.csv").write_text('text,labels\none two,"fear, joy"\ntwo,\nthree,fear\n')
    (tmp_path / "columns.csv").write_text("text,fear,joy\none two,1,1\ntwo,0,0\nthree,True,false\n")
    found = [
        load(json_lines(tmp_path, ROWS)),
        load(parquet(tmp_path)),
        load(tmp_path / "commas.csv", kind="labels"),
        load(tmp_path / "columns.csv", label="fear,joy"),
    ]
    for data in found:
        assert (data.task.kind, data.task.labels) == ("labels", ("fear", "joy"))
        assert data.train.targets == ((1, 1), (0, 0), (1, 0))
        assert data.digest == found[0].digest
    assert "they are lists" in str(found[0].described)
    assert "a column each" in str(found[3].described)
    assert "1 rows with several, 1 with none" in str(found[0].described)
    assert "0.5" in str(found[0].described)


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    data = load(json_lines(tmp_path, [("a", [10, 9]), ("b", [2]), ("c", [2, 2])]))
    assert data.task.labels == ("2", "9", "10")
    assert data.train.targets == ((0, 1, 1), (1, 0, 0), (1, 0, 0))


def test_columns_keep_their_order_and_a_column_with_a_comma_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,b,a,"b,a"\none,1,0,x\ntwo,0,1,y\n')
    assert load(tmp_path / "a.csv", label="b,a").task.labels == ("x", "y")
    (tmp_path / "b.csv").write_text("text,b,a\none,1,0\ntwo,0,1\n")
    assert load(tmp_path / "b.csv", label="b,a").task.labels == ("b", "a")


@pytest.mark.parametrize(
    ("rows", "dev", "message"),
    [
        (
            ROWS,
            [("x", ["rage", "joy"]), ("y", [])],
            r"dev.jsonl, line 1: labels names 'rage', but allowed are",
        ),
        (ROWS, [("x", None), ("y", [])], r"dev.jsonl, line 1: labels is missing"),
        (
            ROWS,
            [("x", ["joy", None]), ("y", [])],
            r"line 1: labels is \['joy', None\], but it must be a list",
        ),
        (ROWS, [("x", ["joy"]), ("y", ["joy"])], r"every row has the labels \['joy'\]: nothing can be"),
        ([("x", []), ("y", [])], None, "no row has a label in column 'labels'"),
    ],
)
def test_rows_that_say_no_labels_are_named(tmp_path: Path, rows: Any, dev: Any, message: str) -> None:
    train = json_lines(tmp_path, rows)
    with pytest.raises(DataError, match=message):
        load(train, json_lines(tmp_path, dev, "dev") if dev else None)


def test_a_label_s_own_column_holds_1_or_0(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,b,a\none,1,0\ntwo,0,perhaps\n")
    with pytest.raises(DataError, match=r"row 2: b,a is \{'a': 'perhaps'\}, but each label must be 1 or 0"):
        load(tmp_path / "a.csv", label="b,a")
    with pytest.raises(DataError, match="has no column 'c'"):
        load(tmp_path / "a.csv", label="b,c")
    with pytest.raises(DataError, match="'b' is asked for twice"):
        load(tmp_path / "a.csv", label="b,b")
    with pytest.raises(InputError, match="another column than the text"):
        load(tmp_path / "a.csv", label="b,text")


@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 2**31))
def test_measures_are_those_of_scikit_learn(labels: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets = (generator.random((rows, labels)) < 0.4).astype(int)
    logits = generator.integers(-3, 4, (rows, labels)).astype(float)  # with ties, and zeros
    counts = draw_counts(rows, 4, seed).astype(float)
    found = KIND.measure(logits, targets, counts, list(KIND.measures))
    for number, row in enumerate(counts):
        drawn = np.repeat(np.arange(rows), row.astype(int))
        wanted, said = targets[drawn], logits[drawn] > 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            micro = f1_score(wanted, said, average="micro", zero_division=0) if labels > 1 else f1_score(
                wanted[:, 0], said[:, 0], zero_division=0
            )  # fmt: skip
            each = f1_score(wanted, said, average=None, zero_division=np.nan) if labels > 1 else [
                f1_score(wanted[:, 0], said[:, 0], zero_division=np.nan)
            ]  # fmt: skip
            macro = 0.0 if np.isnan(each).all() else np.nanmean(each)
            ranking = label_ranking_average_precision_score(wanted, logits[drawn]) if labels > 1 else 1.0
        assert found["micro_f1"][number] == pytest.approx(micro)
        assert found["macro_f1"][number] == pytest.approx(macro)
        assert found["ranking_precision"][number] == pytest.approx(ranking)


def test_no_other_constant_is_better_than_the_baseline(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    generator = random.Random(3)
    chances = {"a": 0.7, "b": 0.4, "c": 0.35, "d": 0.05}
    rows = [(f"t{i}", [n for n in names if generator.random() < chances[n]]) for i in range(60)]
    data = load(json_lines(tmp_path, [*rows, ("last", ["d"])]))
    best = max(
        measure(data.task, np.tile(np.array(signs) - 0.5, (len(data.train), 1)), data.train.targets)[
            "micro_f1"
        ]
        for signs in itertools.product([0, 1], repeat=4)
    )
    found = baseline(data.task, data.train, data.train)
    assert found["micro_f1"] == pytest.approx(best)
    assert found["ranking_precision"] > 0.5


def test_what_is_told_are_labels_above_the_threshold() -> None:
    class Config:
        id2label = {0: "joy", 1: "fear", 2: "rage"}  # noqa: RUF012

    told = KIND.tell(torch.tensor([[0.1, 3.0, -2.0], [-1.0, -1.0, 0.0]]), Config())
    assert [one["labels"] for one in told] == [["fear", "joy"], []]
    assert list(told[0]["scores"]) == ["fear", "joy", "rage"]
    assert told[0]["scores"]["fear"] == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert told[0]["threshold"] == 0.5


def test_a_model_that_predicts_the_same_labels_is_constant() -> None:
    measures = {"micro_f1": 0.9, "macro_f1": 0.9, "ranking_precision": 0.9}
    constant = dict.fromkeys(measures, 0.1)

    def why(said: list[list[float]]) -> str | None:
        return KIND.why_constant("micro_f1", measures, constant, 2, np.array(said), None)

    assert why([[1.0, -1.0], [2.0, -3.0]]) == "it predicts the same labels for every row"
    assert why([[1.0, -1.0], [2.0, 3.0]]) is None


def test_a_teacher_is_followed_label_by_label() -> None:
    student, teacher = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(4, 3)
    share = student.div(2).sigmoid()
    wanted = -(0.5 * (2 * share).log() + 0.5 * (2 * (1 - share)).log()).mean() * 4
    assert float(KIND.divergence(student, teacher, 2.0)) == pytest.approx(float(wanted), rel=1e-5)
    assert float(KIND.divergence(teacher, teacher, 1.0)) == 0


def rows_to_learn(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Whether there is a "not", a dog, something at home: any of them, several, none."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        words = ["the", generator.choice(ANIMALS[:2]), "is", *generator.choice([["not"], []])]
        words.append(generator.choice(PLACES[2:4]))
        marks = {"negated": "not", "dog": "dog", "home": "home"}
        found.append((" ".join(words), [name for name, word in marks.items() if word in words]))
    return found


def test_it_goes_through_every_command(tmp_path: Path) -> None:
    data = {
        "train": str(json_lines(tmp_path, rows_to_learn(64, 1))),
        "dev": str(json_lines(tmp_path, rows_to_learn(24, 2), "dev")),
        "text": "text",
        "label": "labels",
    }
    result = prune(tmp_path, data)
    assert result["task"]["kind"] == "labels"
    assert "guessed from the labels: they are lists" in result["task"]["described"]["kind"]
    assert result["baseline"]["micro_f1"] < 0.8
    assert result["retrained"]["micro_f1"] > 0.9
    said, page = check_every_command(tmp_path, data, result, ["the dog is not home", "the cat is away"])
    assert [sorted(one["labels"]) for one in said] == [["dog", "home", "negated"], []]
    assert "it predicts the same labels for all rows" in page

    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {"0": "dog", "1": "home", "2": "negated"}
    assert "deepcuts_kind" not in config  # Transformers' own words say it

    # Another order of the same names is the same; other names are refused, here and where a run begins.
    (tmp_path / "other.csv").write_text(
        "text,negated,home,dog\nthe dog is not home,1,1,1\nthe cat is away,0,0,0\n"
    )
    other = [f"--train={tmp_path / 'other.csv'}", f"--dev={tmp_path / 'other.csv'}", "--text=text"]
    again = json.loads(call("evaluate", tmp_path / "run", "--json", *other, "--label=negated,home,dog"))
    assert again["model"]["micro_f1"] == 1
    (tmp_path / "wrong.csv").write_text(
        "text,not,home,dog\nthe dog is not home,1,1,1\nthe cat is away,0,0,0\n"
    )
    wrong = [f"--train={tmp_path / 'wrong.csv'}", f"--dev={tmp_path / 'wrong.csv'}", "--text=text"]
    assert "matched by name" in call("evaluate", tmp_path / "run", *wrong, "--label=not,home,dog", status=2)
