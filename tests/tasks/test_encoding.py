from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import tiny
from runs import job

from deepcuts.common.errors import InputError
from deepcuts.tasks import Split, TaskData
from deepcuts.tasks.encoding import ScoringBatches, encode
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
