"""Scoring: one sweep over the data serves any number of strategies."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

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

_Key = TypeVar("_Key", bound=Hashable)


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
    hooks as before, and the global random generators are where they were. For strategies with options of
    their own see `score_requests`.

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
    asked = {
        str(given): ScoreRequest(given if isinstance(given, Strategy) else Strategy.parse(given), options)
        for given in strategies
    }
    found = score_requests(
        model,
        batches,
        list(asked.values()),
        seed=seed,
        loss_fn=loss_fn,
        prunable=prunable,
        distributed=distributed,
    )
    return {name: found[request] for name, request in asked.items()}


@dataclass(frozen=True)
class ScoreRequest:
    """A strategy, with options of its own.

    Attributes:
        strategy: The strategy.
        options: How it is scored; those that it doesn't read count for nothing.
    """

    strategy: Strategy
    options: ScoringOptions = field(default_factory=ScoringOptions)


def score_requests(
    model: nn.Module,
    batches: Iterable[Batch],
    requests: Sequence[ScoreRequest],
    *,
    seed: int = 0,
    loss_fn: LossFunction | None = None,
    prunable: Sequence[str] | None = None,
    distributed: bool = False,
) -> dict[ScoreRequest, Scores]:
    """Score every prunable weight by strategies with options of their own, in one sweep.

    Requests that need the same passes over a batch share them: Cam-Cut with ten values of λ costs one
    forward and backward pass a batch, as with one. Arguments and errors are those of `score`.

    Returns:
        Request → `Scores`. Requests that differ in scope, or in options that are not read, share tensors.
    """
    if not requests:
        raise InputError("strategies", [], "at least one is needed")
    wanted = {request: _Wanted.of(request) for request in requests}
    parameters = prunable_parameters(model, prunable)
    sweep = _Sweep(model, parameters, list(dict.fromkeys(wanted.values())), loss_fn or model_loss, seed)
    with _restored(model):
        totals = sweep.run(batches, *(_place() if distributed else (0, 1)))
    if distributed:
        totals.reduce()
    identity = ModelIdentity.of(model, parameters)
    found = {}
    for request, key in wanted.items():
        upright = Strategy(key.criterion.name, request.strategy.scope, key.smooth)
        scores = Scores(totals.sums[key], upright, key.options, *totals.counts[key], seed, identity)
        scores.check_finite()
        found[request] = scores.under(request.strategy)
    return found


def count_passes(requests: Sequence[ScoreRequest], batches: int) -> int:
    """Forward passes, most of them with a backward one, of one sweep over so many batches at most."""

    def longest(sharing: Sequence[_Wanted]) -> int:
        return max(batches if one.limit is None else min(one.limit, batches) for one in sharing)

    wanted = [one for one in dict.fromkeys(map(_Wanted.of, requests)) if one.needs_data]
    plain = [one for one in wanted if not one.smooth or one.needs("activation")]
    noisy = [one for one in wanted if one.smooth]
    return sum(longest(sharing) for sharing in _grouped(plain, lambda w: w.options.dropout).values()) + sum(
        noise.paths * longest(sharing) for noise, sharing in _grouped(noisy, _Noise.of).items()
    )


@dataclass(frozen=True)
class _Wanted:
    """A criterion, smoothed or not, with the options that it reads: what several requests may share."""

    criterion: Criterion
    smooth: bool
    options: ScoringOptions

    @classmethod
    def of(cls, request: ScoreRequest) -> _Wanted:
        strategy = request.strategy
        return cls(strategy.formula, strategy.smooth, strategy.options_read(request.options))

    @property
    def limit(self) -> int | None:
        """The most batches that it reads."""
        return self.options.max_smooth_batches if self.smooth else self.options.max_batches

    @property
    def needs_data(self) -> bool:
        return bool(self.criterion.needs)

    def needs(self, statistic: str) -> bool:
        return statistic in self.criterion.needs


class _Noise(NamedTuple):
    """What the noisy passes depend on."""

    dropout: bool
    noise_std: float
    paths: int

    @classmethod
    def of(cls, wanted: _Wanted) -> _Noise:
        return cls(wanted.options.dropout, wanted.options.noise_std, wanted.options.paths)


def _grouped(wanted: Sequence[_Wanted], key: Callable[[_Wanted], _Key]) -> dict[_Key, list[_Wanted]]:
    groups: dict[_Key, list[_Wanted]] = {}
    for one in wanted:
        groups.setdefault(key(one), []).append(one)
    return groups


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
        loss_fn: LossFunction,
        seed: int,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.wanted = wanted
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
        limits = {wanted: wanted.limit for wanted in self.wanted if wanted.needs_data}
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

    def _add_batch(self, totals: _Totals, active: Sequence[_Wanted], index: int, batch: Batch) -> None:
        batch_seed = derive_seed(self.seed, "batch", index)

        def checked_loss(model: nn.Module, batch: Batch) -> Tensor:
            loss = self.loss_fn(model, batch)
            if not torch.isfinite(loss).all():
                raise ScoringError(
                    f"the loss of batch {index} is {loss.detach().float().mean():g}; check its data"
                )
            return loss

        plain: dict[bool, dict[str, Tensor]] = {}  # by dropout
        means: dict[tuple[bool, bool], ActivationMeans] = {}  # by dropout and padding
        for dropout, sharing in _grouped(active, lambda w: w.options.dropout).items():
            needs_gradient = any(w.needs("gradient") and not w.smooth for w in sharing)
            paddings = {w.options.padding for w in sharing if w.needs("activation")}
            if not (needs_gradient or paddings):
                continue
            self._set_dropout(dropout, batch_seed, "plain")
            with torch.set_grad_enabled(needs_gradient), ExitStack() as watching:
                for padding in paddings:
                    watch = activation_means(list(self.layers.values()), _token_mask(batch, padding))
                    means[dropout, padding] = watching.enter_context(watch)
                loss = checked_loss(self.model, batch)
            if needs_gradient:
                plain[dropout] = gradients(loss, self.parameters)
        for wanted in active:
            if not wanted.smooth:
                options = wanted.options
                found = plain.get(options.dropout)
                self._add(totals, wanted, found, means.get((options.dropout, options.padding)))
        # Gradients of one noise at a time: those of all together would be a model each.
        for noise, sharing in _grouped([w for w in active if w.smooth], _Noise.of).items():
            self._set_dropout(noise.dropout, batch_seed, "smooth")
            with torch.enable_grad():
                found = smooth_gradients(
                    self.model, batch, self.parameters, checked_loss, sharing[0].options, batch_seed
                )
            for wanted in sharing:
                self._add(totals, wanted, found, means.get((noise.dropout, wanted.options.padding)))
        examples = _batch_size(batch)
        for wanted in active:
            totals.count(wanted, examples)

    def _set_dropout(self, dropout: bool, batch_seed: int, passes: str) -> None:
        self.model.train(dropout)
        # A seed of the batch's own: the same whichever process scores it, and whatever else is scored.
        if dropout:
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
                totals.add(wanted, name, wanted.criterion.function(stats, wanted.options))


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Modes and random generators as before afterwards, also after an exception."""
    modes = {module: module.training for module in model.modules()}
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            for module, training in modes.items():
                module.training = training


def _token_mask(batch: Batch, padding: bool) -> Tensor | None:
    """1 for every token whose activations count, ``(batch, tokens)``; None where all do."""
    mask = batch.get("attention_mask")
    return torch.ones_like(mask) if isinstance(mask, Tensor) and padding else mask


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
