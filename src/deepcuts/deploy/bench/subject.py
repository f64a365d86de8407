"""The model that is measured, and batches for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepcuts.common.errors import InputError
from deepcuts.deploy.bench.shape import Shape
from deepcuts.deploy.export.dense_runtimes import input_names
from deepcuts.deploy.export.source import load_pruned, load_source
from deepcuts.masks.masks import Masks
from deepcuts.runs.run_folder import MASKS
from deepcuts.tasks.lengths import most_tokens


@dataclass(frozen=True)
class Subject:
    """A model to measure.

    Attributes:
        model: In float32, dense in memory, on the CPU.
        masks: Which of its weights are kept; None where none was cut.
        tokenizer: Its tokenizer.
        unpruned: Why there are no masks; empty where there are.
    """

    model: Any
    masks: Masks | None
    tokenizer: Any
    unpruned: str = ""

    @property
    def most_tokens(self) -> int:
        """The most tokens that a text may have."""
        return most_tokens(self.tokenizer, self.model)

    def batch(self, shape: Shape) -> dict[str, np.ndarray[Any, Any]]:
        """Random words without padding: what a batch of such a shape costs, whatever its texts say.

        Raises:
            InputError: It has more tokens than the model takes.
        """
        if shape.tokens > self.most_tokens:
            raise InputError("shape", str(shape), f"this model takes {self.most_tokens} tokens at most")
        special = set(self.tokenizer.all_special_ids)
        words = [index for index in range(self.model.config.vocab_size) if index not in special]
        size = (shape.rows, shape.tokens)
        every = {
            "input_ids": np.random.default_rng(0).choice(np.array(words, dtype=np.int64), size),
            "attention_mask": np.ones(size, dtype=np.int64),
            "token_type_ids": np.zeros(size, dtype=np.int64),
        }
        return {name: every[name] for name in input_names(self.model, self.tokenizer)}


def load_subject(path: str, *, trust_remote_code: bool = False) -> Subject:
    """Load what is to be measured, pruned or not.

    Args:
        path: A run folder; a saved model, dense or sparse; a packed file; a name on the Hub.
        trust_remote_code: Whether code that comes with the model may run.

    Raises:
        InputError: The path is a run that kept no model.
        ModelError: The model can't be found or loaded.
    """
    try:
        source = load_source(path, trust_remote_code=trust_remote_code)
    except InputError as error:
        if (Path(path) / MASKS).is_file():  # a run, which has masks: something else is wrong
            raise
        model, tokenizer = load_pruned(path, trust_remote_code=trust_remote_code)
        return Subject(model.float().eval(), None, tokenizer, error.allowed)
    return Subject(source.model.float().eval(), source.masks, source.tokenizer)
