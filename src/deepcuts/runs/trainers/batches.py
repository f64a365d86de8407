"""The batches that weights are scored on: a Trainer's own, collated by it, the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from deepcuts.common.seeds import derive_seed


class TrainerBatches:
    """The first batches of the Trainer's training data, in an order that is the seed's.

    Random numbers that the Trainer's collator draws (masked words, for instance) are the seed's as well, and
    the generators are afterwards where they were.

    Of several processes each is given batches of its own by the Trainer. A sweep takes every n-th of what all
    are given alike; so each batch comes n times here, and every process takes its own ones.

    Args:
        trainer: The Trainer.
        seed: Decides order and collation.
        limit: Batches at most, of all processes together; None for all.
    """

    def __init__(self, trainer: Any, seed: int, limit: int | None) -> None:
        self._trainer = trainer
        self._seed = seed
        self._limit = limit
        self._processes = max(1, int(trainer.args.world_size))
        self._count: int | None = None

    def __len__(self) -> int:
        if self._count is None:
            count = _length(self._loader())
            if count is None:
                self._count = sum(1 for _ in self)
            else:
                count *= self._processes
                self._count = count if self._limit is None else min(count, self._limit)
        return self._count

    def __iter__(self) -> Iterator[Any]:
        batches, number = None, 0
        while self._limit is None or number < self._limit:
            with torch.random.fork_rng():
                torch.manual_seed(derive_seed(self._seed, "trainer batch", number))
                if batches is None:
                    batches = iter(self._loader())
                try:
                    batch = next(batches)
                except StopIteration:
                    return
            for _ in range(self._processes):
                if self._limit is None or number < self._limit:
                    yield batch
                number += 1

    def _loader(self) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self._seed, "trainer order"))
            return self._trainer.get_train_dataloader()


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:  # of rows that come one after another, without a number
        return None
