"""The passes over one batch that give the gradients of its single examples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.examples import ExampleGradients, ReceiveExamples, example, told_apart
from deepcuts.scoring.gradient_passes import GradientPasses
from deepcuts.scoring.gradients import Gradient
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.passes import Batch, Gradients, LossFunction, batch_size


class ExamplePasses:
    """One pass a batch where hooks can tell its examples apart, which is tried once; else passes of each.

    Args:
        model: The model, on its device.
        parameters: What to differentiate by, by name.
        passes: Makes the passes of one example where something is changed in them.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        passes: GradientPasses,
    ) -> None:
        self._model = model
        self._parameters = parameters
        self._passes = passes
        self._is_tried = False
        self._by_hooks: ExampleGradients | None = None

    def prepare(self, batch: Batch, loss_fn: LossFunction) -> None:
        """Find out, with the first batch of two examples, whether hooks can tell them apart."""
        if not self._is_tried and batch_size(batch) > 1:
            self._is_tried = True
            self._model.eval()
            self._by_hooks = told_apart(self._model, self._parameters, loss_fn, batch)

    def run(
        self,
        gradient: Gradient,
        options: ScoringOptions,
        batch: Batch,
        loss_fn: LossFunction,
        seed: int,
        receive: ReceiveExamples,
    ) -> None:
        """Hand on the gradients of all examples of a batch.

        Args:
            gradient: Which gradient; one that changes something is taken example by example.
            options: The options of scoring.
            batch: The batch, on the model's device.
            loss_fn: Gives the loss, in the precision that is wanted.
            seed: The batch's own seed.
            receive: Called for every parameter that the loss depends on, once or more.
        """
        size = batch_size(batch)
        if gradient.clean and self._by_hooks is not None:
            found = Gradients(self._parameters)
            with found.own(), self._by_hooks.watching(size, receive):
                found.stream(loss_fn(self._model, batch), _let_go)
            return
        for number in range(max(size, 1)):
            own_seed = derive_seed(seed, "example", number)
            alone = example(batch, number)
            self._passes.run(gradient, options, alone, loss_fn, own_seed, partial(_single, receive))


def _let_go(name: str, gradient: Tensor, is_there: bool) -> None:
    """The batch's own gradient is not asked for."""


@torch.no_grad()
def _single(receive: ReceiveExamples, name: str, gradient: Tensor, is_there: bool) -> None:
    if is_there:
        receive(name, gradient[None])
