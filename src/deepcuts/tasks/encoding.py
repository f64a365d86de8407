"""A task's rows as tokens, and the batches that are made of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from deepcuts.common.errors import DataError, InputError
from deepcuts.common.seeds import derive_seed
from deepcuts.tasks.kinds.kind import TaskKind, kind_of
from deepcuts.tasks.lengths import length_for, length_note
from deepcuts.tasks.task import Split, TaskData

Row = Mapping[str, Any]

#: Rows that are held out at most to choose epochs on.
MOST_HELD_OUT = 1000


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
class HeldOut:
    """Training rows that are not learned from, but used to choose by.

    Attributes:
        rows: With their texts.
        encoded: As tokens.
    """

    rows: Split
    encoded: EncodedSplit


@dataclass(frozen=True)
class EncodedTask:
    """A task's splits as tokens, tokenised once.

    Attributes:
        data: The task and its texts.
        train: Tokenised training rows, without those that are held out.
        dev: Tokenised dev rows.
        tokenizer: What they were tokenised by; it pads batches too.
        truncated: Number of rows, of all splits, that were cut to the greatest length.
        length: That length, in tokens.
        order: For each class of the task the output of the model that means it; None where they are in order.
        notes: What was guessed or found, a sentence each.
        held_out: Rows that epochs are chosen on; None where that is done on dev.
        whole: The task before any row was held out; None where that is itself.
        test: Tokenised test rows; None where there are none.
    """

    data: TaskData
    train: EncodedSplit
    dev: EncodedSplit
    tokenizer: Any
    truncated: int
    length: int | None = None
    order: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    held_out: HeldOut | None = None
    whole: EncodedTask | None = None
    test: EncodedSplit | None = None

    @property
    def chosen_on(self) -> HeldOut:
        """The rows that epochs are chosen on."""
        return self.held_out or HeldOut(self.data.dev, self.dev)

    @property
    def kind(self) -> TaskKind:
        """The kind of task."""
        return kind_of(self.data.task)

    def collate(self, rows: list[Row]) -> dict[str, Tensor]:
        """A batch padded to its own longest row: ``(rows, tokens)`` each, and ``labels`` ``(rows, …)``."""
        return self.kind.collate(rows, self.tokenizer)


def encode(data: TaskData, tokenizer: Any, model: Any, max_length: int | None = None) -> EncodedTask:
    """Tokenise a task.

    Args:
        data: The task and its rows.
        tokenizer: A Hugging Face tokenizer.
        model: The model, which may allow fewer positions than `max_length`.
        max_length: Greatest number of tokens of a row, pairs together; longer ones are cut. None takes as
            many as the model was trained with, see `deepcuts.tasks.lengths`.

    Raises:
        InputError: `max_length` is too small to hold a row's special tokens and a word.
        ModelError: The model's outputs are for other classes than the task's, or it takes no longer rows.
        DataError: The tokenizer knows next to none of the words.
    """
    length = length_for(max_length, tokenizer, model)
    kind = kind_of(data.task)
    match = kind.match(data.task, model.config)
    train, cut_train = kind.encode(data.task, data.train, tokenizer, length)
    dev, cut_dev = kind.encode(data.task, data.dev, tokenizer, length)
    test, cut_test = kind.encode(data.task, data.test, tokenizer, length) if data.test else ([], 0)
    cut = cut_train + cut_dev + cut_test
    notes = [match.said] if match.said else []
    notes.extend(length_note(max_length, length))
    notes.extend(_unknown_words({"training": train, "dev": dev, "test": test}, tokenizer))
    return EncodedTask(
        data,
        EncodedSplit(train),
        EncodedSplit(dev),
        tokenizer,
        cut,
        length,
        match.order,
        tuple(notes),
        test=EncodedSplit(test) if data.test else None,
    )


#: Of all tokens but the special ones, so many may be unknown words.
MOST_UNKNOWN = 0.95


def _unknown_words(splits: Mapping[str, Sequence[Row]], tokenizer: Any) -> list[str]:
    """What is to be said of words that a tokenizer does not know.

    Args:
        splits: A split's name → its tokenised rows; one without rows is not there.
        tokenizer: Their tokenizer.

    Raises:
        DataError: Of a split it knows next to none: it is for another language, or none at all. Or its rows
            hold nothing but what a tokenizer leaves out, such as spaces of no width.
    """
    unknown: Any = getattr(tokenizer, "unk_token_id", None)
    special = set(tokenizer.all_special_ids) - {unknown}
    whole: Counter[int] = Counter()
    for name, rows in splits.items():
        tokens = Counter(chain.from_iterable(row["input_ids"] for row in rows))
        for token in special:
            tokens.pop(token, None)
        if rows and not tokens.total():
            raise DataError(f"texts: no {name} row holds anything that the tokenizer makes a token of")
        share = tokens[unknown] / tokens.total() if rows else 0.0
        if share > MOST_UNKNOWN:
            raise DataError(
                f"tokenizer: it knows next to none of the words, {share:.0%} of the tokens of the {name} "
                f"rows are {tokenizer.unk_token}; it is not the tokenizer of this model, or not one for "
                "these texts"
            )
        whole += tokens
    share = whole[unknown] / whole.total() if whole else 0.0
    return [f"{share:.1%} of the tokens are unknown to the tokenizer"] if share > 0.01 else []


def _mixed(strata: list[Hashable], generator: torch.Generator) -> list[int]:
    """Rows in an order by chance, of whose beginnings each stratum has about its share, one row at the least.

    The only row of a stratum comes last, since training needs it more.
    """
    order: list[int] = torch.randperm(len(strata), generator=generator).tolist()
    sizes = Counter(strata)
    seen: Counter[Hashable] = Counter()
    place: dict[int, float] = {}
    for row in order:
        size = sizes[strata[row]]
        place[row] = seen[strata[row]] / size if size > 1 else 1.0
        seen[strata[row]] += 1
    return sorted(order, key=lambda row: place[row])


def hold_out(task: EncodedTask, seed: int) -> EncodedTask:
    """Take a tenth of the training rows, `MOST_HELD_OUT` at most, to choose epochs on.

    Classes have about the share in it that they have in all rows; one that has two rows is there where
    there is room.

    Args:
        task: The tokenised task, with all of its rows.
        seed: Which rows are taken depends on it.

    Raises:
        InputError: There are too few rows to hold any out, or nothing can be measured on them.
    """
    count = len(task.train)
    generator = torch.Generator().manual_seed(derive_seed(seed, "held out"))
    split = task.data.train
    order = _mixed([task.kind.stratum(split.targets[i]) for i in range(count)], generator)
    taken = sorted(order[: min(MOST_HELD_OUT, count // 10)])
    rows = Split(tuple(split.texts[i] for i in taken), tuple(split.targets[i] for i in taken))
    # A measure needs rows that differ, as it does on dev.
    fault = task.kind.dev_fault(task.data.task, rows.targets) if taken else "no row is left to hold out"
    classes = len({task.kind.stratum(target) for target in split.targets} - {None})
    if fault is None and len(taken) < classes:
        fault = f"there are {classes} classes, of which not each could be among them"
    if fault:
        raise InputError(
            "select_on",
            "held-out",
            f"of {count:,} training rows {len(taken):,} would be held out to choose epochs on, and {fault}; "
            "give more training rows, or --select-on dev, to choose epochs on the rows that are measured",
        )
    own = set(taken)
    return replace(
        task,
        train=EncodedSplit([row for i, row in enumerate(task.train.rows) if i not in own]),
        held_out=HeldOut(rows, EncodedSplit([task.train.rows[i] for i in taken])),
        whole=task,
    )


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
