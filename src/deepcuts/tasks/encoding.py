"""A task's rows as tokens, and the batches that are made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from deepcuts.common.errors import InputError
from deepcuts.tasks.kinds.kind import TaskKind, kind_of
from deepcuts.tasks.task import TaskData

Row = Mapping[str, Any]


class EncodedSplit(Dataset[Row]):
    """Tokenised rows of one split; row i is a mapping of lists of token ids, and ``labels``."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    @property
    def targets(self) -> list[Any]:
        """The target of every row: class ids, numbers, or what else the kind of task has."""
        return [row["labels"] for row in self.rows]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of every token and target: it changes with the text, the tokenizer and the length."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(json.dumps(row, sort_keys=True).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class EncodedTask:
    """A task's two splits as tokens, tokenised once.

    Attributes:
        data: The task and its texts.
        train: Tokenised training rows.
        dev: Tokenised dev rows.
        tokenizer: What they were tokenised by; it pads batches too.
        truncated: Number of rows, of both splits, that were cut to the greatest length.
    """

    data: TaskData
    train: EncodedSplit
    dev: EncodedSplit
    tokenizer: Any
    truncated: int

    @property
    def kind(self) -> TaskKind:
        """The kind of task."""
        return kind_of(self.data.task)

    def collate(self, rows: list[Row]) -> dict[str, Tensor]:
        """A batch padded to its own longest row: ``(rows, tokens)`` each, and ``labels`` ``(rows, …)``."""
        return self.kind.collate(rows, self.tokenizer)


def encode(data: TaskData, tokenizer: Any, model: Any, max_length: int) -> EncodedTask:
    """Tokenise a task.

    Args:
        data: The task and its rows.
        tokenizer: A Hugging Face tokenizer.
        model: The model, which may allow fewer positions than `max_length`.
        max_length: Greatest number of tokens of a row, pairs together; longer ones are cut.

    Raises:
        InputError: `max_length` is too small to hold a row's special tokens and a word.
    """
    if max_length < 8:
        raise InputError("max_length", max_length, "it must be 8 tokens or more")
    length = min(max_length, tokenizer.model_max_length, positions(model))
    kind = kind_of(data.task)
    train, cut_train = kind.encode(data.task, data.train, tokenizer, length)
    dev, cut_dev = kind.encode(data.task, data.dev, tokenizer, length)
    return EncodedTask(data, EncodedSplit(train), EncodedSplit(dev), tokenizer, cut_train + cut_dev)


@dataclass(frozen=True)
class ScoringBatches:
    """The batches that weights are scored on: the shuffled training rows (DeepCuts, §4).

    Attributes:
        task: The tokenised task.
        batch_size: Rows a batch.
        seed: Seed of the order.
        limit: At most so many batches.
    """

    task: EncodedTask
    batch_size: int
    seed: int
    limit: int

    def __len__(self) -> int:
        return min(self.limit, -(-len(self.task.train) // self.batch_size))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self.task.train), generator=generator).tolist()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield self.task.collate(
                [self.task.train[index] for index in order[start : start + self.batch_size]]
            )


def positions(model: Any) -> int:
    """The most tokens that a model has positions for."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return 1 << 30
    # RoBERTa and its kin count positions from the padding id on.
    offset = getattr(getattr(model, "base_model", model), "embeddings", None)
    padding = getattr(offset, "padding_idx", None)
    return int(positions) - (int(padding) + 1 if padding else 0)
