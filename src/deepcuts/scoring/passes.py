"""Statistics of one batch: gradients and mean activations, by hooks that are always gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common.errors import ScoringError

Batch = Mapping[str, Any]
LossFunction = Callable[[nn.Module, Batch], Tensor]
Receive = Callable[[str, Tensor], None]


def to_device(batch: Batch, device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on a device."""
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }


def model_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The loss that the model itself returns, as Hugging Face models do when the batch holds labels.

    Raises:
        ScoringError: The batch holds no labels, or the model returns no loss.
    """
    if "labels" not in batch:
        raise ScoringError(
            f"a batch holds no 'labels' (it has {', '.join(map(repr, batch))}), so there is no loss; "
            "add them, or give a loss_fn(model, batch)"
        )
    loss = getattr(model(**batch), "loss", None)
    if not isinstance(loss, Tensor):
        raise ScoringError(f"{type(model).__name__} returned no loss; give a loss_fn(model, batch)")
    return loss


@contextmanager
def own_gradients(parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Put the parameters' own ``.grad`` aside, and back afterwards, also after an exception.

    Raises:
        ScoringError: A parameter is frozen (``requires_grad`` is off).
    """
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    if frozen:
        raise ScoringError(
            f"{frozen[0]!r} is frozen (requires_grad is False), so it has no gradient to score by"
        )
    own = [(parameter, parameter.grad) for parameter in parameters.values()]
    try:
        for parameter, _ in own:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in own:
            parameter.grad = gradient


def accumulate_gradients(loss: Tensor, parameters: Mapping[str, nn.Parameter]) -> None:
    """Add a loss's gradients to the parameters' ``.grad``; nothing else gets any."""
    loss.backward(inputs=list(parameters.values()))  # type: ignore[no-untyped-call]


def stream_gradients(loss: Tensor, parameters: Mapping[str, nn.Parameter], receive: Receive) -> None:
    """Hand on each gradient as soon as it is there, with what ``.grad`` holds already, and free it.

    So no more than a few gradients exist at a time, and each is still in the processor's cache when it is
    read. Within `own_gradients`.

    Args:
        loss: A scalar.
        parameters: By name, what to differentiate by.
        receive: Called with name and gradient once for every parameter: with zeros where the loss doesn't
            depend on it.
    """
    names = {parameter: name for name, parameter in parameters.items()}
    waiting = dict(parameters)

    def hand_on(parameter: Tensor) -> None:
        name = names[parameter]  # type: ignore[index]
        gradient, parameter.grad = parameter.grad, None
        waiting.pop(name)
        receive(name, gradient if gradient is not None else torch.zeros_like(parameter))

    hooks = [
        parameter.register_post_accumulate_grad_hook(hand_on)  # type: ignore[no-untyped-call]
        for parameter in parameters.values()
    ]
    try:
        accumulate_gradients(loss, parameters)
        for parameter in list(waiting.values()):
            hand_on(parameter)
    finally:
        for hook in hooks:
            hook.remove()


class ActivationMeans:
    """Mean output of each layer over the sequences and tokens of the passes that it watched."""

    def __init__(self, token_mask: Tensor | None) -> None:
        self._token_mask = token_mask
        # Once a batch: it waits for the device.
        self._tokens = 0.0 if token_mask is None else float(token_mask.sum())
        self._sums: dict[nn.Module, Tensor] = {}
        self._counts: dict[nn.Module, float] = {}
        self._of_tokens: set[nn.Module] = set()

    def mean(self, layer: nn.Linear) -> Tensor:
        """Mean output ``(out_features,)``, float32.

        Raises:
            ScoringError: The layer did not run.
        """
        if layer not in self._sums:
            raise ScoringError(f"{layer} took no part in the forward pass, so it has no activations")
        return self._sums[layer] / self._counts[layer]

    def observe(self, layer: nn.Module, output: Tensor) -> None:
        """Count one output ``(batch, tokens, out_features)``, or without the token axis, of a layer."""
        values = output.detach().float()
        mask = self._token_mask
        is_of_tokens = mask is not None and values.shape[:-1] == mask.shape
        # DeBERTa runs its projections on the table of relative positions as well; that is no token of
        # the batch, so it counts only for a layer that sees nothing else.
        if layer in self._of_tokens and not is_of_tokens:
            return
        if is_of_tokens and layer not in self._of_tokens:
            self._of_tokens.add(layer)
            self._sums.pop(layer, None)
            self._counts.pop(layer, None)
        rows = values.flatten(0, -2)  # (batch · tokens, out_features)
        if is_of_tokens and mask is not None:
            weights = mask.flatten().to(rows)
            total, count = weights @ rows, self._tokens
        else:
            total, count = rows.sum(0), float(len(rows))
        self._sums[layer] = self._sums[layer] + total if layer in self._sums else total
        self._counts[layer] = self._counts.get(layer, 0.0) + count


@contextmanager
def activation_means(
    layers: Sequence[nn.Linear], token_mask: Tensor | None = None
) -> Iterator[ActivationMeans]:
    """Watch the outputs of linear layers, before any activation function (DeepCuts, §3.4).

    A layer that runs several times in a pass, as ALBERT's shared ones do, is averaged over all of them.

    Args:
        layers: The layers to watch.
        token_mask: ``(batch, tokens)``, 1 for a token that counts and 0 for one that doesn't, such as
            padding; None counts all.
    """
    means = ActivationMeans(token_mask)

    def observe(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        means.observe(layer, output)

    hooks = [layer.register_forward_hook(observe, prepend=True) for layer in set(layers)]
    try:
        yield means
    finally:
        for hook in hooks:
            hook.remove()
