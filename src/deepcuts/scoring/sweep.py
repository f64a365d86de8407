"""One sweep over the batches: every pass is made once, whatever number of scores it serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice

import torch
import torch.distributed
from torch import Tensor, nn

from deepcuts.architectures.parameters import linear_layers
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring import gradients
from deepcuts.scoring.compiled import CompiledLoss
from deepcuts.scoring.example_passes import ExamplePasses
from deepcuts.scoring.explained import explaining
from deepcuts.scoring.gradient_passes import GradientPasses
from deepcuts.scoring.passes import (
    Batch,
    Gradients,
    LossFunction,
    batch_size,
    check_scalar,
    model_loss,
    to_device,
)
from deepcuts.scoring.statistics import LayerStatistic
from deepcuts.scoring.tally import Tally
from deepcuts.scoring.tokens import told_of_padding
from deepcuts.scoring.wanted import Changed, Clean, Wanted, grouped


class Sweep:
    """One pass over the batches, with everything that it needs at hand.

    Args:
        model: The model, on its device.
        parameters: What is scored, by name.
        wanted: The scores, each once.
        loss_fn: Gives the loss.
        seed: The run's seed.
        values: See `deepcuts.scoring.tally.Tally`.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        wanted: Sequence[Wanted],
        loss_fn: LossFunction,
        seed: int,
        values: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.wanted = wanted
        self.loss_fn = loss_fn
        self.seed = seed
        self.device = next(iter(parameters.values())).device
        # On a processor nothing is won by it; a loss of somebody else's need not be a mean over the rows.
        stacked = self.device.type == "cuda" and loss_fn is model_loss
        self.gradient_passes = GradientPasses(model, parameters, stacked)
        self.example_passes = ExamplePasses(model, parameters, self.gradient_passes)
        needs_layers = any(one.criterion.reads_layers for one in wanted)
        layers = linear_layers(model, list(parameters)) if needs_layers else {}
        for one in wanted:
            if one.criterion.reads_gradient:  # refused before any pass
                explaining(one.gradient.explained(one.options), loss_fn)
        self.tally = Tally(parameters, wanted, layers, seed, values)
        self._maskers = told_of_padding(model) if needs_layers else []
        self.compiled: CompiledLoss | None = None
        if any(one.options.compile for one in wanted):
            kinds = [kind for one in wanted for kind in one.criterion.statistics]
            inputs = any(issubclass(kind, LayerStatistic) and kind.reads_inputs for kind in kinds)
            watched = [layer for owners in layers.values() for layer in owners]
            self.compiled = CompiledLoss(loss_fn, watched, inputs=inputs)

    def run(self, batches: Iterable[Batch], rank: int, world: int) -> Tally:
        """Go through the batches, as process `rank` of `world` that share them."""
        for name in self.parameters:
            self.tally.add([one for one in self.wanted if not one.needs_data], name)
        with self.compiled.watching() if self.compiled else nullcontext():
            for index, batch, active in self._batches(batches):
                if index % world == rank:
                    self._score(index, to_device(batch, self.device), active)
        return self.tally

    def _batches(self, batches: Iterable[Batch]) -> Iterator[tuple[int, Batch, list[Wanted]]]:
        """Each batch with its number and the scores that read it; none further than any of them reads."""
        limits = {one: one.limit for one in self.wanted if one.needs_data}
        if not limits:
            return
        bounded = [limit for limit in limits.values() if limit is not None]
        longest = max(bounded) if len(bounded) == len(limits) else None
        index = -1
        for index, batch in enumerate(islice(batches, longest)):
            yield index, batch, [one for one, limit in limits.items() if limit is None or index < limit]
        if index < 0:
            raise ScoringError("batches: there is not a single batch to score on")

    def _score(self, index: int, batch: Batch, active: Sequence[Wanted]) -> None:
        """Make the passes over one batch, one kind after the other."""
        seed = derive_seed(self.seed, "batch", index)
        for clean, sharing in grouped([one for one in active if one.clean_pass], Clean.of).items():
            self._clean_pass(clean, sharing, index, batch, seed)
        # One gradient at a time: those of all together would be a model each.
        for changed, sharing in grouped([one for one in active if one.own_passes], Changed.of).items():
            self._changed_passes(changed, sharing, index, batch, seed)
        examples = batch_size(batch)
        for one in active:
            self.tally.count(one, examples)

    def _clean_pass(
        self, clean: Clean, sharing: Sequence[Wanted], index: int, batch: Batch, seed: int
    ) -> None:
        """The pass in which nothing is changed: statistics of layers, and the gradient of the loss itself."""
        of_gradient = [one for one in sharing if one.clean_gradient]
        self._set_dropout(clean.dropout, seed, "plain")
        watch = self.tally.watch(sharing, batch, self._maskers)
        with torch.set_grad_enabled(bool(of_gradient)):
            if clean.compiled and self.compiled:  # which has hooks of its own
                loss_fn = partial(self.compiled, watch=watch)
                loss = self._loss(index, clean.precision, loss_fn, self.model, batch)
            else:
                with watch.watching():
                    explained = explaining(clean.explain, self.loss_fn)
                    loss = self._loss(index, clean.precision, explained, self.model, batch)
            watch.finish()
        if of_gradient:
            found = Gradients(self.parameters)
            with found.own():
                found.stream(loss, partial(self.tally.receive, of_gradient))
        of_layers = [one for one in sharing if not one.criterion.reads_gradient]
        for name in self.parameters if of_layers else ():
            self.tally.add(of_layers, name)

    def _changed_passes(
        self, changed: Changed, sharing: Sequence[Wanted], index: int, batch: Batch, seed: int
    ) -> None:
        """The passes of a gradient that changes something, or of single examples' gradients."""
        gradient, options = gradients.REGISTRY[changed.gradient], sharing[0].options
        explained = explaining(changed.explain, self.loss_fn)
        loss_fn = partial(self._loss, index, changed.precision, explained)
        if changed.by_example:
            self.example_passes.prepare(batch, explained)
            receive = partial(self.tally.receive_examples, sharing)
            self._set_dropout(changed.dropout, seed, f"{changed.gradient.lower()} by example")
            with torch.enable_grad():
                self.example_passes.run(gradient, options, batch, loss_fn, seed, receive)
        else:
            self._set_dropout(changed.dropout, seed, changed.gradient.lower())
            with torch.enable_grad():
                self.gradient_passes.run(
                    gradient, options, batch, loss_fn, seed, partial(self.tally.receive, sharing)
                )

    def _loss(
        self, index: int, precision: str, loss_fn: LossFunction, model: nn.Module, batch: Batch
    ) -> Tensor:
        """The loss of a batch, which must be finite."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = loss_fn(model, batch)
        check_scalar(loss)
        if not torch.isfinite(loss).all():
            raise ScoringError(
                f"the loss of batch {index} is {loss.detach().float().mean():g}; check its data"
            )
        return loss

    def _set_dropout(self, dropout: bool, batch_seed: int, passes: str) -> None:
        self.model.train(dropout)
        # A seed of the batch's own: the same whichever process scores it, and whatever else is scored.
        if dropout:
            torch.manual_seed(derive_seed(batch_seed, "dropout", passes))


def rank_and_size() -> tuple[int, int]:
    """Rank and number of the processes of the default group.

    Raises:
        InputError: There is no group.
    """
    if not torch.distributed.is_initialized():
        raise InputError("distributed", True, "torch.distributed must be initialised first")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()
