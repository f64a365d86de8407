"""A loss compiled by ``torch.compile``, with what linear layers take in and put out noted on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common.errors import InputError, ScoringError, brief
from deepcuts.scoring.passes import Batch, LossFunction, model_loss, to_device
from deepcuts.scoring.watching import Watch

#: What compiles; the tests take one that needs no C++ compiler.
BACKEND = "inductor"


class CompiledLoss:
    """A loss function, compiled with the model that it runs.

    It is compiled as a whole or not at all: what torch.compile leaves uncompiled in between would not see
    the hooks in the same way. Hooks that the model has when it is first called are part of what is compiled,
    and later changes to them are not noticed, so one object serves one sweep, within `watching`.

    Args:
        loss_fn: ``(model, batch) -> loss``.
        layers: The linear layers whose runs are noted.
        inputs: Whether what they take in is noted as well as what they put out.
        backend: What compiles; by default `BACKEND`.
    """

    def __init__(
        self,
        loss_fn: LossFunction,
        layers: Sequence[nn.Linear],
        *,
        inputs: bool = False,
        backend: str | None = None,
    ) -> None:
        self._layers = list(dict.fromkeys(layers))
        self._loss_fn = loss_fn
        self._inputs = inputs
        self._calls: list[tuple[int, Tensor, Tensor]] = []

        def run(model: nn.Module, batch: Batch) -> Tensor:
            return loss_fn(model, batch)

        # torch.compile keeps what it compiled with the code, and takes it again for other hooks. A copy of
        # the code has nothing of another sweep.
        own = FunctionType(run.__code__.replace(), run.__globals__, "run", None, run.__closure__)
        self._run: LossFunction = torch.compile(own, backend=backend or BACKEND, dynamic=True, fullgraph=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have the hooks on the layers; outside of compiled code they do nothing."""
        hooks = [
            layer.register_forward_hook(self._note(number), prepend=True, with_kwargs=True)
            for number, layer in enumerate(self._layers)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def __call__(self, model: nn.Module, batch: Batch, watch: Watch | None = None) -> Tensor:
        """The loss; what the layers did is told to the watch.

        Raises:
            ScoringError: The model or the loss function can't be compiled.
        """
        self._calls.clear()
        try:
            loss = self._run(model, batch)
        except _refusals() as error:
            with torch.no_grad():
                self._loss_fn(model, batch)  # an error of its own says more
            raise ScoringError(
                f"{type(model).__name__} and its loss can't be compiled as a whole ({brief(error)}); "
                "score without compile"
            ) from error
        if watch is not None:
            for number, inputs, output in self._calls:
                watch.observe(self._layers[number], inputs, output)
        self._calls.clear()
        return loss

    def _note(self, number: int) -> Any:
        calls, with_inputs = self._calls, self._inputs

        def note(layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
            if torch.compiler.is_compiling():
                # Detached here, so that no gradient of zeros goes back through it.
                output = output.detach()
                inputs = (args[0] if args else kwargs["input"]).detach() if with_inputs else output
                calls.append((number, inputs, output))

        return note


def _refusals() -> tuple[type[Exception], ...]:
    from torch._dynamo import exc  # late: it takes seconds

    return exc.TorchDynamoException, exc.FailOnRecompileLimitHit


def check_compilable(model: nn.Module, batch: Batch, loss_fn: LossFunction = model_loss) -> None:
    """Find out in seconds what would otherwise fail in the middle of a long run.

    Args:
        model: In the mode that it is scored in.
        batch: A batch; moved to the model's device.
        loss_fn: ``(model, batch) -> loss``; by default the loss that the model returns.

    Raises:
        InputError: ``torch.compile`` doesn't work here.
        ScoringError: It can't compile this model with this loss.
    """
    device = next(model.parameters()).device
    _check_compiler(device)
    with torch.no_grad():
        # Traced, and not compiled any further.
        CompiledLoss(loss_fn, (), backend="eager")(model, to_device(batch, device))


@cache
def _check_compiler(device: torch.device) -> None:
    def double(values: Tensor) -> Tensor:
        return values * 2

    try:
        torch.compile(double, backend=BACKEND, dynamic=True)(torch.ones(3, device=device))
    except Exception as error:  # whatever a compiler, a linker or a driver may raise
        raise InputError(
            "compile",
            True,
            "torch.compile must work, which needs a C++ compiler on a CPU; "
            f"here it says: {brief(getattr(error, 'inner_exception', error))}",
        ) from error
