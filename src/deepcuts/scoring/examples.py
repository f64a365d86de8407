"""The gradients of a batch's single examples, by hooks in one pass where they can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.architectures.parameters import linear_layers
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.scoring.passes import Batch, Gradients, LossFunction, batch_size, with_tensors

#: Name, and the gradients of some examples, ``(examples, *shape)``, float32.
ReceiveExamples = Callable[[str, Tensor], None]

#: Elements of the gradients that are held at a time: 64 MiB of float32.
_HELD = 1 << 24


def held_at_a_time(size: int) -> int:
    """Bytes of the gradients of some examples, by a tensor of this size, that are held at a time at most."""
    return 4 * max(_HELD, size)


def example(batch: Batch, number: int) -> Batch:
    """One example of a batch, as a batch alone; see `some_examples`."""
    return some_examples(batch, number, number + 1)


def some_examples(batch: Batch, start: int, end: int) -> Batch:
    """Some examples of a batch, as a batch alone, of the same form.

    Raises:
        ScoringError: The batch has no tensor whose rows are examples.
    """
    size = batch_size(batch)
    if not size:
        raise ScoringError("a batch holds no tensor with a row for each example")
    return with_tensors(
        batch, lambda tensor: tensor[start:end] if tensor.dim() and len(tensor) == size else tensor
    )


class ExampleGradients:
    """Gradients of single examples in one pass, from linear layers' inputs and gradients at their outputs.

    The gradient of example n by a weight is ``δ_nᵀ x_n`` over the example's tokens, times the number of
    examples, as the loss is their mean; by a bias, the sum of ``δ_n``.

    Args:
        parameters: By name, what to differentiate by.
        layers: The linear layers that own each.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], layers: Mapping[str, Sequence[nn.Linear]]
    ) -> None:
        self._parameters = parameters
        self._names: dict[nn.Module, list[str]] = {}
        for name, owners in layers.items():
            for layer in owners:
                self._names.setdefault(layer, []).append(name)
        self._waiting: dict[str, int] = {}
        self._arrived: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._size = 0
        self._receive: ReceiveExamples | None = None

    @contextmanager
    def watching(self, size: int, receive: ReceiveExamples) -> Iterator[None]:
        """Hand on the gradients of the pass that is made within, forward and backward.

        Args:
            size: How many examples its batch has.
            receive: Called once or more for every parameter that the loss depends on.

        Raises:
            NotByExampleError: In the forward pass: what a layer sees is not one row or more an example.
        """
        self._size, self._receive = size, receive
        self._waiting, self._arrived = {}, {}
        hooks = [
            layer.register_forward_hook(self._called, prepend=True, with_kwargs=True) for layer in self._names
        ]
        try:
            yield
            for name in list(self._arrived):  # of those that were called where the loss doesn't depend on it
                self._hand_on(name)
        finally:
            for hook in hooks:
                hook.remove()
            self._arrived, self._receive = {}, None

    def _called(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
    ) -> None:
        inputs = (args[0] if args else kwargs["input"]).detach()
        if not output.requires_grad:
            return
        if inputs.dim() < 2 or len(inputs) != self._size:
            raise NotByExampleError
        for name in self._names[layer]:
            self._waiting[name] = self._waiting.get(name, 0) + 1
        output.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: self._differentiated(layer, inputs, gradient)
        )

    def _differentiated(self, layer: nn.Module, inputs: Tensor, gradient: Tensor) -> None:
        for name in self._names[layer]:
            self._arrived.setdefault(name, []).append((inputs, gradient.detach()))
            if len(self._arrived[name]) == self._waiting[name]:
                self._hand_on(name)

    @torch.no_grad()
    def _hand_on(self, name: str) -> None:
        calls, parameter = self._arrived.pop(name), self._parameters[name]
        assert self._receive is not None
        together = max(1, _HELD // parameter.numel())
        for start in range(0, self._size, together):
            some = slice(start, start + together)
            found = sum(_by_example(x[some], delta[some], parameter.dim() == 2) for x, delta in calls)
            assert isinstance(found, Tensor)
            self._receive(name, found.mul_(self._size))


class NotByExampleError(Exception):
    """The examples of a batch can't be told apart in a pass over it."""


def _by_example(inputs: Tensor, gradient: Tensor, is_weight: bool) -> Tensor:
    """Of ``(examples, …, features)``: a weight's ``(examples, out, in)``, a bias's ``(examples, out)``."""
    rows = gradient.float().reshape(len(gradient), -1, gradient.shape[-1])
    if not is_weight:
        return rows.sum(1)
    return rows.transpose(1, 2) @ inputs.float().reshape(len(inputs), -1, inputs.shape[-1])


def told_apart(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], loss_fn: LossFunction, batch: Batch
) -> ExampleGradients | None:
    """What finds the examples' gradients in one pass, if it finds the right ones here.

    It is tried on the first two examples of a batch, against each alone: the loss must be a mean over
    examples, parameters those of linear layers that see each apart, and nothing may pass between them.

    Args:
        model: In evaluation mode, on its device.
        parameters: By name, what to differentiate by.
        loss_fn: Gives the loss.
        batch: A batch, on that device.

    Returns:
        None where examples must be passed one by one.
    """
    if batch_size(batch) < 2:
        return None
    try:
        found = ExampleGradients(parameters, linear_layers(model, list(parameters)))
    except InputError:  # a parameter is not of a linear layer
        return None
    singles = [example(batch, number) for number in range(2)]
    pair = some_examples(batch, 0, 2)
    together: dict[str, Tensor] = {}
    # Two models' worth of gradients: no more than scores and statistics of a sweep take.
    gradients = Gradients(parameters)
    with torch.enable_grad(), gradients.own():
        try:
            with found.watching(2, lambda name, some: _put(together, name, some)):
                gradients.stream(loss_fn(model, pair), lambda *received: None)
        except NotByExampleError:
            return None
    sizes: list[tuple[float, float]] = []  # of a gradient, and of what ours differs by
    for number, single in enumerate(singles):

        def compare(name: str, gradient: Tensor, is_there: bool, number: int = number) -> None:
            ours = together[name][number] if name in together else torch.zeros_like(gradient)
            sizes.append((float(gradient.norm()), float((ours - gradient).norm())))

        with torch.enable_grad(), gradients.own():
            gradients.stream(loss_fn(model, single), compare)
    # Some gradients are nothing but rounding: softmax takes out what all scores of a query have in common.
    rounding = 1e-5 * max(size for size, _ in sizes)
    return found if all(other <= 1e-3 * size + rounding for size, other in sizes) else None


def _put(together: dict[str, Tensor], name: str, some: Tensor) -> None:
    together[name] = torch.cat([together[name], some]) if name in together else some.clone()
