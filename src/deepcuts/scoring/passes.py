"""The gradients of one pass, by hooks that are always gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common.errors import ScoringError

#: A mapping, as models of Hugging Face take it; or, with a loss function that takes it, anything.
Batch = Any
LossFunction = Callable[[nn.Module, Batch], Tensor]
#: Name, gradient in float32, and whether the loss depends on the parameter at all: it is zeros if not.
Receive = Callable[[str, Tensor, bool], None]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on a device."""
    return with_tensors(batch, lambda value: value.to(device, non_blocking=True))


def with_tensors(batch: Batch, change: Callable[[Tensor], Any]) -> Batch:
    """The batch with its tensors changed, in tuples, lists and mappings of it too."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: with_tensors(value, change) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        changed = [with_tensors(value, change) for value in batch]
        return type(batch)(*changed) if hasattr(batch, "_fields") else type(batch)(changed)
    return batch


def batch_size(batch: Batch) -> int:
    """Rows of the first tensor in a batch that has any; 0 where there is none."""
    if isinstance(batch, Tensor):
        return int(batch.shape[0]) if batch.dim() else 0
    if isinstance(batch, Mapping):
        return batch_size(list(batch.values()))
    if isinstance(batch, tuple | list):
        return next((size for value in batch if (size := batch_size(value))), 0)
    return 0


def model_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The loss that the model itself returns, as Hugging Face models do when the batch holds labels.

    Raises:
        ScoringError: The batch is no mapping, or holds no labels, or the model returns no loss.
    """
    if not isinstance(batch, Mapping):
        raise ScoringError(
            f"a batch is a {type(batch).__name__}, which the model can't be called with; give a mapping, or "
            "a loss_fn(model, batch)"
        )
    if "labels" not in batch:
        raise ScoringError(
            f"a batch holds no 'labels' (it has {', '.join(map(repr, batch))}), so there is no loss; "
            "add them, or give a loss_fn(model, batch)"
        )
    loss = getattr(model(**batch), "loss", None)
    if not isinstance(loss, Tensor):
        raise ScoringError(f"{type(model).__name__} returned no loss; give a loss_fn(model, batch)")
    return loss


def check_scalar(loss: object) -> None:
    """Refuse what a loss function gives if that is no single number, of which there is no one gradient.

    Raises:
        ScoringError: It is not.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"{loss!r:.40}"
        raise ScoringError(f"the loss is {found}, but it must be a tensor of one number")


class Gradients:
    """Gradients summed over the passes of one batch, in float32; the parameters' own ``.grad`` is put aside.

    A sum stays in ``.grad`` for a parameter that is float32 itself; others have it beside them.

    Args:
        parameters: By name, what to differentiate by.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self._parameters = parameters
        self._names = {parameter: name for name, parameter in parameters.items()}
        self._others = {n: p for n, p in parameters.items() if p.dtype is not torch.float32}
        self._sums: dict[str, Tensor] = {}

    @contextmanager
    def own(self) -> Iterator[None]:
        """Put the parameters' ``.grad`` aside, and back afterwards, also after an exception.

        Raises:
            ScoringError: A parameter is frozen (``requires_grad`` is off).
        """
        frozen = [name for name, parameter in self._parameters.items() if not parameter.requires_grad]
        if frozen:
            raise ScoringError(
                f"{frozen[0]!r} is frozen (requires_grad is False), so it has no gradient to score by"
            )
        own = [(parameter, parameter.grad) for parameter in self._parameters.values()]
        try:
            for parameter, _ in own:
                parameter.grad = None
            yield
        finally:
            self._sums.clear()
            for parameter, gradient in own:
                parameter.grad = gradient

    def add(self, loss: Tensor) -> None:
        """Add a loss's gradients to the sums; nothing else gets any.

        Raises:
            ScoringError: The loss is no single number, depends on none of them, or they are recomputed in a
                way that hides it.
        """
        check_scalar(loss)
        if not loss.requires_grad:
            raise ScoringError(f"the loss depends on no prunable parameter; {_NO_GRADIENT}")
        try:
            loss.backward(inputs=list(self._parameters.values()))  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if "use_reentrant" in str(error):
                raise ScoringError(
                    "gradients don't come through torch.utils.checkpoint with use_reentrant=True; switch "
                    "checkpointing off, or use_reentrant"
                ) from error
            raise
        for name, parameter in self._others.items():
            if parameter.grad is not None:
                gradient, parameter.grad = parameter.grad.float(), None
                self._sums[name] = self._sums[name] + gradient if name in self._sums else gradient

    def stream(self, loss: Tensor, receive: Receive) -> None:
        """Add a loss's gradients, and hand each sum on as soon as it is there, and free it.

        So no more than a few gradients exist at a time, and each is still in the processor's cache when it
        is read.

        Args:
            loss: A scalar.
            receive: Called once for every parameter.
        """
        waiting = dict(self._parameters)

        def hand_on(parameter: Tensor) -> None:
            name = self._names[parameter]  # type: ignore[index]
            waiting.pop(name)
            self._hand_on(name, receive)

        hooks = [
            parameter.register_post_accumulate_grad_hook(hand_on)  # type: ignore[no-untyped-call]
            for parameter in self._parameters.values()
        ]
        try:
            self.add(loss)
        finally:
            for hook in hooks:
                hook.remove()
        for name in waiting:
            self._hand_on(name, receive)

    def hand_on(self, receive: Receive) -> None:
        """Hand every sum on, and free it."""
        for name in self._parameters:
            self._hand_on(name, receive)

    def _hand_on(self, name: str, receive: Receive) -> None:
        parameter = self._parameters[name]
        gradient, parameter.grad = parameter.grad, None
        if name in self._others:
            total = self._sums.pop(name, None)
            if gradient is not None:
                gradient = gradient.float() if total is None else total + gradient.float()
            else:
                gradient = total
        if gradient is None:
            receive(name, torch.zeros_like(parameter, dtype=torch.float32, requires_grad=False), False)
        else:
            receive(name, gradient, True)


_NO_GRADIENT = (
    "nothing may stand between the two that gradients don't come through, such as detach, no_grad, or "
    "torch.utils.checkpoint with use_reentrant=True"
)


def refuse_missing(names: Sequence[str]) -> None:
    """Refuse parameters that no batch's loss depends on: their scores would be 0, and a cut arbitrary.

    Raises:
        ScoringError: There is one.
    """
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ScoringError(
            f"no batch's loss depends on {names[0]!r}{more}, so there is no gradient to score by; "
            f"{_NO_GRADIENT}; what the loss doesn't use must be left out of what is prunable"
        )
