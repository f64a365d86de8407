from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import tiny
from runs import data_config, job, tiny_model_folder, write_csv

from deepcuts.common.errors import DataError, InputError
from deepcuts.models import load_finetuned
from deepcuts.tasks import Split, TaskData
from deepcuts.tasks.encoding import EncodedSplit, EncodedTask, ScoringBatches, encode, hold_out
from deepcuts.tasks.task import Schedule, Task

PAIR = Task(
    name="pairs", kind="regression", text_columns=("a", "b"), label_column="y", primary="pearson",
    schedule=Schedule(1, 1, 1e-3),
)  # fmt: skip


def test_batches_are_padded_to_their_own_longest_row(tmp_path: Path) -> None:
    task = job(tmp_path).task
    short = min(range(len(task.train)), key=lambda index: len(task.train[index]["input_ids"]))
    batch = task.collate([task.train[short]])
    assert batch["input_ids"].shape == (1, len(task.train[short]["input_ids"]))
    assert batch["attention_mask"].all()
    both = task.collate([task.train[short], task.train[(short + 1) % len(task.train)]])
    assert both["labels"].tolist() == [
        task.train[short]["labels"],
        task.train[(short + 1) % len(task.train)]["labels"],
    ]


def test_pairs_are_encoded_together_and_targets_are_floats(tmp_path: Path) -> None:
    made = job(tmp_path)
    split = Split((("the dog", "the cat"), ("the cow is here", "there")), (1, 4.5))
    task = encode(TaskData(PAIR, split, split, "test"), made.task.tokenizer, made.model, 128)
    assert task.train[0]["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    batch = task.collate([task.train[0], task.train[1]])
    assert batch["labels"].dtype == torch.float32
    assert task.truncated == 0


def test_long_rows_are_cut_and_counted(tmp_path: Path) -> None:
    made = job(tmp_path)
    split = Split((("the dog is here " * 5, "the cat"), ("the dog", "the cat")), (1.0, 2.0))
    task = encode(TaskData(PAIR, split, split, "test"), made.task.tokenizer, made.model, 10)
    assert len(task.train[0]["input_ids"]) == 10
    assert task.truncated == 2  # one row in each split
    with pytest.raises(InputError, match="max_length"):
        encode(TaskData(PAIR, split, split, "test"), made.task.tokenizer, made.model, 3)


def test_no_row_is_longer_than_the_model_has_positions(tmp_path: Path) -> None:
    tokenizer = job(tmp_path).task.tokenizer
    tokenizer.model_max_length = 1000
    split = Split((("the dog " * 50, "the cat"),), (1.0,))
    for model_type, positions in [("bert", 32), ("roberta", 30)]:  # RoBERTa's first two are padding's
        model = tiny(model_type)
        task = encode(TaskData(PAIR, split, split, "test"), tokenizer, model, 128)
        assert len(task.train[0]["input_ids"]) == positions
        model(input_ids=torch.tensor([[3] * positions]))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.tensor([[3] * (positions + 1)]))


def test_scoring_batches_are_shuffled_by_their_seed_without_repetition(tmp_path: Path) -> None:
    task = job(tmp_path).task  # 24 rows

    def tokens(batches: ScoringBatches) -> list[list[int]]:
        return [row for batch in batches for row in batch["input_ids"].tolist()]

    batches = ScoringBatches(task, 5, seed=0, limit=100)
    assert len(batches) == len(list(batches)) == 5
    assert [len(batch["labels"]) for batch in batches] == [5, 5, 5, 5, 4]
    assert tokens(batches) == tokens(batches)
    assert tokens(batches) != tokens(ScoringBatches(task, 5, seed=1, limit=100))
    assert sum(int(batch["labels"].sum()) for batch in batches) == sum(
        row["labels"] for row in task.train.rows
    )
    assert tokens(ScoringBatches(task, 5, seed=0, limit=2)) == tokens(batches)[:10]


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first, same = (job(tmp_path, max_length=length).task.train for length in (128, 64))
    assert first.digest == same.digest  # no row is that long
    rows = [dict(row) for row in first.rows]
    rows[3]["labels"] = 1 - rows[3]["labels"]
    assert type(first)(rows).digest != first.digest


def test_a_tenth_of_the_training_rows_is_held_out_by_the_seed(tmp_path: Path) -> None:
    task = job(tmp_path, data_config(tmp_path, train=60)).task
    found = hold_out(task, 3)
    assert found.held_out is not None
    assert (len(found.train), len(found.held_out.encoded), len(found.held_out.rows)) == (54, 6, 6)
    assert found.whole is task
    together = [*found.train.rows, *found.held_out.encoded.rows]
    assert sorted(map(str, together)) == sorted(map(str, task.train.rows))
    assert [row["labels"] for row in found.held_out.encoded.rows] == list(found.held_out.rows.targets)
    assert found.dev is task.dev
    again, other = (hold_out(task, seed).held_out for seed in (3, 4))
    assert again is not None
    assert other is not None
    assert again.encoded.digest == found.held_out.encoded.digest != other.encoded.digest


@given(st.lists(st.integers(0, 4), min_size=10, max_size=80), st.integers(0, 99))
def test_classes_have_their_shares_of_the_rows_held_out(classes: list[int], seed: int) -> None:
    """Near the share, one at least of each that has two rows, a class's only row after all others."""
    labels = tuple("abcde")
    split = Split(tuple((f"row {i}",) for i in range(len(classes))), tuple(classes))
    kind = replace(PAIR, kind="classification", text_columns=("a",), labels=labels, primary="accuracy")
    data = TaskData(kind, split, split, "test")
    encoded = EncodedSplit([{"input_ids": [i], "labels": label} for i, label in enumerate(classes)])
    task = EncodedTask(data, encoded, encoded, None, 0)
    try:
        held = hold_out(task, seed).held_out
    except InputError:
        return
    assert held is not None
    sizes, taken = Counter(classes), Counter(held.rows.targets)
    count = len(classes) // 10
    several = {label for label, size in sizes.items() if size > 1}
    for label in several:
        assert abs(taken[label] - count * sizes[label] / len(classes)) < len(several)
        assert taken[label] >= min(1, count // len(several))
    assert not set(taken) - several or sum(sizes[label] for label in several) < count


def test_of_many_rows_a_thousand_are_held_out(tmp_path: Path) -> None:
    task = job(tmp_path).task
    many = TaskData(
        task.data.task,
        Split(task.data.train.texts * 500, task.data.train.targets * 500),
        task.data.dev,
        "test",
    )
    whole = replace(task, data=many, train=EncodedSplit(task.train.rows * 500))
    found = hold_out(whole, 0)
    assert found.held_out is not None
    assert len(found.held_out.rows) == 1000
    assert len(found.train) == 11_000


@pytest.mark.parametrize("count", [9, 14])
def test_too_few_rows_to_choose_on_are_refused(tmp_path: Path, count: int) -> None:
    """Of nine none can be held out, of fourteen one, on which no measure means anything."""
    task = job(tmp_path, data_config(tmp_path, train=count)).task
    with pytest.raises(InputError, match=rf"select_on: .*of {count} training rows .*--select-on dev"):
        hold_out(task, 0)


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize("text", ["\u200b", "völlig andere wörter"])
def test_a_split_of_which_nothing_is_known_is_refused(tmp_path: Path, split: str, text: str) -> None:
    """Spaces of no width are no spaces to Python; and of dev alone it matters as much."""
    model, tokenizer = load_finetuned(str(tiny_model_folder(tmp_path / "model")))
    source = data_config(tmp_path)
    path = write_csv(tmp_path / "empty.csv", [{"text": text, "target": name} for name in ("no", "yes")])
    data = replace(source, **{split: str(path)}).load()
    model.config.id2label = {0: "no", 1: "yes"}
    with pytest.raises(
        DataError, match=f"no {'training' if split == 'train' else split} row|of the tokens of the"
    ):
        encode(data, tokenizer, model)
