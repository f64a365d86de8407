"""What a model says of texts, as its kind of task tells it: a label with scores, or a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import torch

from deepcuts.common.errors import InputError, ModelError
from deepcuts.deploy.runtime import sparsify
from deepcuts.models.checks import computing
from deepcuts.models.purpose import kind_of_model
from deepcuts.tasks import TaskKind
from deepcuts.tasks.lengths import length_for
from deepcuts.tasks.texts import texts_of

Runtime = Literal["auto", "sparse", "dense"]
Text = str | tuple[str, str]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text or pair.

    Attributes:
        text: The text, or both of a pair.
        said: What the model's kind of task tells of it, as JSON can hold it: a class with scores, a value, …
        is_cut: Whether the text is longer than what was read of it.
    """

    text: Text
    said: Mapping[str, Any]
    is_cut: bool = False

    def as_json(self) -> dict[str, Any]:
        """What the command prints of it."""
        if isinstance(self.text, str):
            return {"text": self.text, **self.said}
        return {"text": self.text[0], "pair": self.text[1], **self.said}


def for_inference(model: Any, runtime: Runtime = "auto") -> Any:
    """The form of a model that predicts fastest.

    Args:
        model: A dense model with zeros, on the CPU.
        runtime: ``"sparse"``: every pruned layer is sparse; ``"dense"``: none is; ``"auto"``: those are that
            are faster so on this machine, see `deepcuts.deploy.runtime.sparsify`.

    Raises:
        InputError: The model has no zeros, and a sparse one was asked for.
    """
    if runtime == "dense":
        return model.eval()
    try:
        return sparsify(model, dense_above=1.0 if runtime == "sparse" else None)
    except InputError:
        if runtime == "sparse":
            raise
        return model.eval()


@torch.inference_mode()
def predict_texts(
    model: Any, tokenizer: Any, texts: Iterable[Text], *, batch_size: int = 32, max_length: int | None = None
) -> Iterator[Prediction]:
    """Predict texts in their order, as they come.

    Args:
        model: A model with its trained head, in evaluation mode.
        tokenizer: Its tokenizer.
        texts: Texts or pairs; read a batch at a time.
        batch_size: Texts a batch.
        max_length: Tokens of a text at most, or as few as the model has positions; longer ones are cut. None
            takes as many as the model was trained with, see `deepcuts.tasks.lengths`.

    Raises:
        InputError: A size is out of range; or single texts and pairs are mixed, or are not what the model was
            trained on.
        ModelError: The model is for no kind of task that is known, can't compute a batch, or says NaN or
            infinity.
    """
    if batch_size < 1:
        raise InputError("batch_size", batch_size, "it must be 1 or more")
    kind = kind_of_model(model)
    length = length_for(max_length, tokenizer, model)
    remaining = iter(texts)
    first = texts_of(model.config)
    what = "all must be single texts, or all pairs" + (
        ", as the rows of the model's training" if first else ""
    )
    while batch := list(islice(remaining, batch_size)):
        for text in batch:
            count = 1 if isinstance(text, str) else len(text)
            first = first or count
            if count not in (1, 2) or count != first:
                raise InputError("texts", text, what)
        yield from _predict_batch(kind, model, tokenizer, batch, length)


def _predict_batch(
    kind: TaskKind, model: Any, tokenizer: Any, batch: Sequence[Text], length: int
) -> list[Prediction]:
    columns = [[text if isinstance(text, str) else text[0] for text in batch]]
    if not isinstance(batch[0], str):
        columns.append([text[1] for text in batch])
    encoded = tokenizer(*columns, truncation=True, max_length=length, padding=True, return_tensors="pt")
    with computing():
        found = kind.predictions(model(**encoded.to(model.device))).float().cpu()
    if not bool(torch.isfinite(found).all()):
        raise ModelError("model: its outputs are NaN or infinite, which is no prediction")
    told = kind.tell_texts(found, model.config, batch, encoded.encodings or [])
    cut = [bool(one.overflowing) for one in encoded.encodings or []] or [False] * len(batch)
    return [Prediction(text, said, is_cut) for text, said, is_cut in zip(batch, told, cut, strict=True)]
