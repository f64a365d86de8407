"""Which tokens of a batch count, read off its attention mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common.errors import ScoringError
from deepcuts.scoring.passes import Batch


class Tokens:
    """The tokens of one batch.

    Args:
        attention_mask: As the batch holds it, see `token_mask`; None, or anything but a tensor, where all
            tokens count.
    """

    def __init__(self, attention_mask: Any) -> None:
        self._given = attention_mask if isinstance(attention_mask, Tensor) else None
        self._weights: dict[tuple[bool, torch.device], Tensor] = {}

    @classmethod
    def of(cls, batch: Batch) -> Tokens:
        """Those of a batch of a model of Hugging Face; of one that is no mapping, all."""
        return cls(batch.get("attention_mask") if isinstance(batch, Mapping) else None)

    @cached_property
    def shape(self) -> torch.Size | None:
        """``(batch, tokens)``; None where there is no mask."""
        return None if self._real is None else self._real.shape

    def mask(self, padding: bool) -> Tensor | None:
        """1 for every token that counts, ``(batch, tokens)``; None where there is no mask."""
        return self._all if padding else self._real

    def weights(self, padding: bool, device: torch.device) -> Tensor | None:
        """`mask` as weights of a sum, ``(batch · tokens,)``, float32; made once for all layers."""
        mask = self.mask(padding)
        if mask is None:
            return None
        if (padding, device) not in self._weights:
            self._weights[padding, device] = mask.flatten().to(device, torch.float32)
        return self._weights[padding, device]

    def count(self, padding: bool) -> float:
        """How many tokens count; 0 where there is no mask.

        Raises:
            ScoringError: Not a single one does.
        """
        return self._number_of_all if padding else self._number_of_real

    @cached_property
    def _real(self) -> Tensor | None:
        return None if self._given is None else token_mask(self._given)

    @cached_property
    def _all(self) -> Tensor | None:
        return None if self._real is None else torch.ones_like(self._real)

    # Once a batch: it waits for the device.
    @cached_property
    def _number_of_real(self) -> float:
        number = 0.0 if self._real is None else float(self._real.sum())
        if self._real is not None and not number:
            raise ScoringError("attention_mask: not a single token of a batch counts")
        return number

    @cached_property
    def _number_of_all(self) -> float:
        return 0.0 if self._real is None else float(self._real.numel())


def told_of_padding(model: nn.Module) -> list[nn.Module]:
    """The outermost modules whose ``forward`` takes an ``attention_mask``: the model, or what is in it."""
    if "attention_mask" in signature(model.forward).parameters:
        return [model]
    return [found for child in model.children() for found in told_of_padding(child)]


def given_to(forward: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The ``attention_mask`` of a call of such a module's ``forward``; None where it was given none."""
    if "attention_mask" in kwargs:
        return kwargs["attention_mask"]
    position = list(signature(forward).parameters).index("attention_mask")
    return args[position] if position < len(args) else None


def token_mask(given: Tensor) -> Tensor:
    """An attention mask as one of tokens, ``(batch, tokens)``, not 0 for each that counts.

    Args:
        given: ``(batch, tokens)``; or one that says for each token which others it sees, ``(batch, tokens,
            tokens)``, ``(batch, 1, 1, tokens)`` or ``(batch, 1, tokens, tokens)``, of which a token counts if
            any sees it. A mask of numbers that are added, 0 for what counts and far below it for what
            doesn't, is told by its negative values.

    Raises:
        ScoringError: It has another shape.
    """
    mask = given
    if mask.dim() == 4 and mask.shape[1] == 1:
        mask = mask.squeeze(1)  # (batch, 1 or tokens, tokens)
    sees = mask.dim() == 3 and mask.shape[1] in (1, mask.shape[2])
    if not sees and mask.dim() != 2:
        raise ScoringError(
            f"attention_mask: got shape {tuple(given.shape)}, but it must be (batch, tokens), (batch, "
            "tokens, tokens), (batch, 1, 1, tokens) or (batch, 1, tokens, tokens) for scores from what "
            "layers see of each token"
        )
    if mask.is_floating_point() and bool((mask < 0).any()):
        mask = mask >= 0
    return (mask != 0).any(1).long() if sees else mask
