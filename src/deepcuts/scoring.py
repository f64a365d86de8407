"""Scoring: one sweep over the data serves any number of strategies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from deepcuts.criteria import Criterion
from deepcuts.errors import InputError, ScoringError
from deepcuts.options import ScoringOptions
from deepcuts.param_stats import ParamStats
from deepcuts.prunable import linear_layers, prunable_parameters
from deepcuts.scores import ModelIdentity, Scores
from deepcuts.seeds import derive_seed
from deepcuts.smoothing import smooth_gradients
from deepcuts.statistics import (
    ActivationMeans,
    Batch,
    LossFunction,
    activation_means,
    gradients,
    model_loss,
)
from deepcuts.strategy import Strategy


def score(
    model: nn.Module,
    batches: Iterable[Batch],
    strategies: Sequence[str | Strategy],
    *,
    seed: int = 0,
    options: ScoringOptions | None = None,
    loss_fn: LossFunction | None = None,
    prunable: Sequence[str] | None = None,
    distributed: bool = False,
) -> dict[str, Scores]:
    """Score every prunable weight, by any number of strategies in one sweep (DeepCuts, §3).

    A score is the sum over batches of the criterion's importances. What strategies share, the backward
    pass and the activations, is computed once a batch. Afterwards the model has its modes, gradients and
    hooks as before, and the global random generators are where they were.

    Args:
        model: Any module; scored on the device that it is on.
        batches: Mappings of tensors with the labels among them; moved to the model's device. Read no
            further than the options ask for, and not at all if no strategy needs data.
        strategies: Names such as ``"LayerGradCAMShift"`` (see `Strategy.parse`), or strategies.
        seed: Seed of noise, dropout and random scores.
        options: See `ScoringOptions`.
        loss_fn: ``(model, batch) -> loss``, a scalar; by default the loss that the model returns.
        prunable: Patterns of parameter names, see `prunable_parameters`.
        distributed: Whether the processes of the default ``torch.distributed`` group share the work: all
            are given the same batches, each takes its share, and all get the same sums at the end.

    Returns:
        Strategy name, as it was given, → `Scores`. Strategies that differ in scope alone share tensors.

    Raises:
        InputError: A strategy is unknown, or can't be computed for a named parameter; or none is given.
        ScoringError: There are no batches, no labels, or a loss or a score that is not finite.
    """
    options = options or ScoringOptions()
    if not strategies:
        raise InputError("strategies", [], "at least one is needed")
    asked = {
        str(given): given if isinstance(given, Strategy) else Strategy.parse(given) for given in strategies
    }
    wanted = [
        _Wanted(s.formula, s.smooth) for s in {(s.criterion, s.smooth): s for s in asked.values()}.values()
    ]
    parameters = prunable_parameters(model, prunable)
    sweep = _Sweep(model, parameters, wanted, options, loss_fn or model_loss, seed)
    with _scoring_mode(model, options.dropout):
        totals = sweep.run(batches, *(_place() if distributed else (0, 1)))
    if distributed:
        totals.reduce()
    identity = ModelIdentity.of(model, parameters)
    found = {}
    for name, strategy in asked.items():
        key = _Wanted(strategy.formula, strategy.smooth)
        upright = replace(strategy, inverted=False)
        scores = Scores(totals.sums[key], upright, options, *totals.counts[key], seed, identity)
        scores.check_finite()
        found[name] = scores.under(strategy)
    return found


@dataclass(frozen=True)
class _Wanted:
    """A criterion, smoothed or not: what several strategies may share."""

    criterion: Criterion
    smooth: bool

    @property
    def needs_data(self) -> bool:
        return bool(self.criterion.needs)

    def needs(self, statistic: str) -> bool:
        return statistic in self.criterion.needs


@dataclass
class _Totals:
    sums: dict[_Wanted, dict[str, Tensor]]
    counts: dict[_Wanted, tuple[int, int]]  # batches, examples

    def add(self, wanted: _Wanted, name: str, importances: Tensor) -> None:
        self.sums[wanted][name].add_(importances)

    def count(self, wanted: _Wanted, examples: int) -> None:
        batches, before = self.counts[wanted]
        self.counts[wanted] = batches + 1, before + examples

    def reduce(self) -> None:
        """Sum over the processes of the default group, so that each has the whole."""
        for wanted, sums in self.sums.items():
            if wanted.needs_data:
                for total in sums.values():
                    torch.distributed.all_reduce(total)
                counts = torch.tensor(self.counts[wanted], device=next(iter(sums.values())).device)
                torch.distributed.all_reduce(counts)
                self.counts[wanted] = int(counts[0]), int(counts[1])


class _Sweep:
    """One pass over the batches, with everything that it needs at hand."""

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        wanted: Sequence[_Wanted],
        options: ScoringOptions,
        loss_fn: LossFunction,
        seed: int,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.wanted = wanted
        self.options = options
        self.loss_fn = loss_fn
        self.seed = seed
        self.device = next(iter(parameters.values())).device
        needs_activations = any(w.needs("activation") for w in wanted)
        self.layers = linear_layers(model, list(parameters)) if needs_activations else {}

    def run(self, batches: Iterable[Batch], rank: int, world: int) -> _Totals:
        totals = _Totals(
            # Zeros from the start: a process that gets no batch at all still takes part in the sum.
            {
                wanted: {n: torch.zeros_like(p, dtype=torch.float32) for n, p in self.parameters.items()}
                for wanted in self.wanted
            },
            dict.fromkeys(self.wanted, (0, 0)),
        )
        for wanted in self.wanted:
            if not wanted.needs_data:
                self._add(totals, wanted, None, None)
        limits = {wanted: self._limit(wanted) for wanted in self.wanted if wanted.needs_data}
        if not limits:
            return totals
        bounded = [limit for limit in limits.values() if limit is not None]
        longest = max(bounded) if len(bounded) == len(limits) else None
        seen = 0
        for index, batch in enumerate(islice(batches, longest)):
            active = [wanted for wanted, limit in limits.items() if limit is None or index < limit]
            seen += 1
            if index % world == rank:
                self._add_batch(totals, active, index, _to_device(batch, self.device))
        if not seen:
            raise ScoringError("batches: there is not a single batch to score on")
        return totals

    def _limit(self, wanted: _Wanted) -> int | None:
        return self.options.max_smooth_batches if wanted.smooth else self.options.max_batches

    def _add_batch(self, totals: _Totals, active: Sequence[_Wanted], index: int, batch: Batch) -> None:
        batch_seed = derive_seed(self.seed, "batch", index)
        plain: dict[str, Tensor] | None = None
        smooth: dict[str, Tensor] | None = None
        means: ActivationMeans | None = None

        def checked_loss(model: nn.Module, batch: Batch) -> Tensor:
            loss = self.loss_fn(model, batch)
            if not torch.isfinite(loss).all():
                raise ScoringError(
                    f"the loss of batch {index} is {loss.detach().float().mean():g}; check its data"
                )
            return loss

        needs_plain = any(not w.smooth and w.needs("gradient") for w in active)
        needs_activations = any(w.needs("activation") for w in active)
        if needs_plain or needs_activations:
            self._seed_dropout(batch_seed, "plain")
            token_mask = batch.get("attention_mask")
            if token_mask is not None and self.options.padding:
                token_mask = torch.ones_like(token_mask)
            layers = list(self.layers.values()) if needs_activations else []
            with torch.set_grad_enabled(needs_plain), activation_means(layers, token_mask) as means:
                loss = checked_loss(self.model, batch)
            if needs_plain:
                plain = gradients(loss, self.parameters)
        if any(w.smooth for w in active):
            self._seed_dropout(batch_seed, "smooth")
            with torch.enable_grad():
                smooth = smooth_gradients(
                    self.model, batch, self.parameters, checked_loss, self.options, batch_seed
                )
        examples = _batch_size(batch)
        for wanted in active:
            self._add(totals, wanted, smooth if wanted.smooth else plain, means)
            totals.count(wanted, examples)

    def _seed_dropout(self, batch_seed: int, passes: str) -> None:
        # A seed of the batch's own: the same whichever process scores it, and whatever else is scored.
        if self.options.dropout:
            torch.manual_seed(derive_seed(batch_seed, "dropout", passes))

    def _add(
        self,
        totals: _Totals,
        wanted: _Wanted,
        found: Mapping[str, Tensor] | None,
        means: ActivationMeans | None,
    ) -> None:
        """Add one batch's importances of every tensor."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                activation = None
                if means is not None and wanted.needs("activation"):
                    activation = means.mean(self.layers[name])  # (out_features,)
                    if parameter.dim() == 2:
                        activation = activation.unsqueeze(1)  # (out_features, 1), for a weight's rows
                stats = ParamStats(
                    value=parameter.detach(),
                    gradient=found[name] if found is not None else None,
                    activation=activation,
                    seed=derive_seed(self.seed, "tensor", name),
                )
                totals.add(wanted, name, wanted.criterion.function(stats, self.options))


@contextmanager
def _scoring_mode(model: nn.Module, dropout: bool) -> Iterator[None]:
    """Dropout as asked; modes and random generators as before afterwards, also after an exception."""
    modes = {module: module.training for module in model.modules()}
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        model.train(dropout)
        try:
            yield
        finally:
            for module, training in modes.items():
                module.training = training


def _place() -> tuple[int, int]:
    if not torch.distributed.is_initialized():
        raise InputError("distributed", True, "torch.distributed must be initialised first")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def _to_device(batch: Batch, device: torch.device) -> dict[str, Any]:
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }


def _batch_size(batch: Batch) -> int:
    tensors = [value for value in batch.values() if isinstance(value, Tensor) and value.dim() > 0]
    return int(tensors[0].shape[0]) if tensors else 0
