"""Statistics of layers, fed by hooks that are always gone afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, wraps
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.scoring.statistics import LayerStatistic
from deepcuts.scoring.tokens import Tokens, given_to


class ObservedCall:
    """One run of a layer; see `deepcuts.scoring.statistics.Call`."""

    def __init__(self, layer: nn.Module, inputs: Tensor, output: Tensor, tokens: Tokens) -> None:
        self.layer = layer
        self.raw_inputs = inputs
        self.raw_output = output
        self._tokens = tokens

    @cached_property
    def is_of_tokens(self) -> bool:
        """Whether its rows are the tokens of the batch."""
        return self.raw_output.shape[:-1] == self._tokens.shape

    @cached_property
    def inputs(self) -> Tensor:
        """``(rows, in_features)``, float32."""
        return self.raw_inputs.detach().float().flatten(0, -2)

    @cached_property
    def output(self) -> Tensor:
        """``(rows, out_features)``, float32."""
        return self.raw_output.detach().float().flatten(0, -2)

    def weights(self, padding: bool) -> Tensor | None:
        """1 for every row that counts, ``(rows,)``, float32; None where all do."""
        return self._tokens.weights(padding, self.raw_output.device) if self.is_of_tokens else None

    def count(self, padding: bool) -> float:
        """How many rows count."""
        if self.is_of_tokens:
            return self._tokens.count(padding)
        return float(self.raw_output.shape[:-1].numel())

    def total(self, rows: Tensor, padding: bool) -> Tensor:
        """Sum over the rows that count."""
        weights = self.weights(padding)
        return rows.sum(0) if weights is None else weights @ rows


class Watch:
    """One pass's observer: hands each run of a layer to the statistics of that layer.

    DeBERTa runs its projections on the table of relative positions as well; that is no token of the batch,
    so such a call counts only for a statistic that sees nothing else.

    Args:
        statistics: What is fed, each with the layers that it is of.
        tokens: The batch's tokens.
        maskers: Modules that are told which tokens are padding when they are called: those tokens count where
            the batch itself says nothing of them, as one of several texts does.
    """

    def __init__(
        self,
        statistics: Iterable[tuple[LayerStatistic, Sequence[nn.Module]]],
        tokens: Tokens,
        maskers: Iterable[nn.Module] = (),
    ) -> None:
        self._tokens = tokens
        self._maskers = [] if tokens.shape is not None else list(maskers)
        self._statistics: dict[nn.Module, list[LayerStatistic]] = {}
        for one, layers in statistics:
            for layer in layers:
                self._statistics.setdefault(layer, []).append(one)
        # By identity: whoever writes a statistic need not think of how it is hashed.
        self._seen_tokens: set[int] = set()
        self._waiting: dict[int, tuple[LayerStatistic, list[ObservedCall]]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have the hooks on the layers: the first in line, so that they see what the layer itself put out."""
        hooks = [
            layer.register_forward_hook(self._hook, prepend=True, with_kwargs=True)
            for layer in self._statistics
        ]
        try:
            with ExitStack() as listening:
                for masker in self._maskers:
                    listening.enter_context(self._listening(masker))
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        self.observe(layer, args[0] if args else kwargs["input"], output)

    @contextmanager
    def _listening(self, masker: nn.Module) -> Iterator[None]:
        """Hear each call of a module; of its ``forward`` itself, which some call without the hooks."""
        forward, own = masker.forward, vars(masker).get("forward")

        @wraps(forward)
        def heard(*args: Any, **kwargs: Any) -> Any:
            self._tokens = Tokens(given_to(forward, args, kwargs))
            return forward(*args, **kwargs)

        masker.forward = heard
        try:
            yield
        finally:
            if own is None:
                del masker.forward
            else:
                masker.forward = own

    def observe(self, layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        """Take ``(..., in_features)`` and ``(..., out_features)`` of one run of a layer."""
        call = ObservedCall(layer, inputs, output, self._tokens)
        for one in self._statistics.get(layer, ()):
            if call.is_of_tokens:
                self._seen_tokens.add(id(one))
                self._waiting.pop(id(one), None)
            elif id(one) in self._seen_tokens:
                continue
            elif self._tokens.shape is not None:
                self._waiting.setdefault(id(one), (one, []))[1].append(call)
                continue
            _hand_on(one, [call])

    def finish(self) -> None:
        """After the pass: count the calls that turned out to be all that there were."""
        for one, calls in self._waiting.values():
            _hand_on(one, calls)
        self._waiting.clear()


@torch.no_grad()
def _hand_on(one: LayerStatistic, calls: Iterable[ObservedCall]) -> None:
    for call in calls:
        device = call.raw_output.device.type
        if torch.is_autocast_enabled(device):  # which would take products and sums back to bfloat16
            with torch.autocast(device, enabled=False):
                one.observe(call)
        else:
            one.observe(call)
