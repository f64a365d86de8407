"""The passes of a gradient over one batch, as many at a time as the model and the device allow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from deepcuts.scoring.gradients import Gradient, Passes
from deepcuts.scoring.noise import NotTogetherError, repeated
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.passes import Batch, Gradients, LossFunction, Receive

_ALL = 1 << 30  # all passes at a time


class GradientPasses:
    """Runs the passes of gradients, and remembers how many fit.

    Args:
        model: The model, on its device.
        parameters: What to differentiate by, by name.
        stacked: Whether passes may run as one larger batch; the loss must then be a mean over the rows.

    Attributes:
        together: How many passes are run as one batch.
    """

    def __init__(self, model: nn.Module, parameters: Mapping[str, nn.Parameter], stacked: bool) -> None:
        self._model = model
        self._parameters = parameters
        self.together = _ALL if stacked else 1

    def run(
        self,
        gradient: Gradient,
        options: ScoringOptions,
        batch: Batch,
        loss_fn: LossFunction,
        seed: int,
        receive: Receive,
    ) -> None:
        """Hand on the mean gradient over the passes of one batch.

        Args:
            gradient: Which gradient.
            options: The options of scoring.
            batch: The batch, on the model's device.
            loss_fn: Gives the loss.
            seed: The batch's own seed.
            receive: Called once for every parameter.
        """
        # Dropout is drawn anew in every pass, so one has its own only if it runs on its own.
        may = gradient.stacks and not options.dropout
        together = min(self.together, gradient.passes(options)) if may else 1
        received: list[str] = []

        def receive_once(name: str, value: Tensor, is_there: bool) -> None:
            received.append(name)
            receive(name, value, is_there)

        try:
            self._run(gradient, options, batch, loss_fn, seed, receive_once, together)
        except (torch.cuda.OutOfMemoryError, NotTogetherError) as error:
            if together == 1 or received:
                raise
            self.together = together // 2 if isinstance(error, torch.cuda.OutOfMemoryError) else 1
            self.run(gradient, options, batch, loss_fn, seed, receive)

    def _run(
        self,
        gradient: Gradient,
        options: ScoringOptions,
        batch: Batch,
        loss_fn: LossFunction,
        seed: int,
        receive: Receive,
        together: int,
    ) -> None:
        count = gradient.passes(options)
        gradients = Gradients(self._parameters)
        hand_on = partial(_mean, receive, count)
        with gradients.own():
            for start in range(0, count, together):
                numbers = range(start, min(start + together, count))
                streamed = numbers.stop == count and gradient.keeps_weights
                passes = Passes(self._model, self._parameters, options, numbers, seed)
                with gradient.context(passes):
                    loss = loss_fn(self._model, repeated(batch, len(numbers))) * len(numbers)
                    if streamed:
                        gradients.stream(loss, hand_on)
                    else:
                        gradients.add(loss)
            if not gradient.keeps_weights:
                gradients.hand_on(hand_on)


def _mean(receive: Receive, count: int, name: str, total: Tensor, is_there: bool) -> None:
    receive(name, total / count if count > 1 else total, is_there)
