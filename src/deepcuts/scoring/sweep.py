"""One sweep over the batches: every pass is made once, whatever number of scores it serves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

from deepcuts.architectures.parameters import linear_layers
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.compiled import CompiledLoss
from deepcuts.scoring.criteria import Criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats
from deepcuts.scoring.passes import (
    ActivationMeans,
    Batch,
    LossFunction,
    Receive,
    activation_means,
    model_loss,
    own_gradients,
    stream_gradients,
    to_device,
)
from deepcuts.scoring.request import ScoreRequest
from deepcuts.scoring.smoothing import NotTogetherError, stream_smooth_gradients

_Key = TypeVar("_Key", bound=Hashable)

#: Elements of a block of rows: 256 KiB of float32, so that weights, gradients and one intermediate stay in
#: the second-level cache.
_BLOCK = 1 << 16
_ALL = 1 << 30  # all paths at a time


@dataclass(frozen=True)
class Wanted:
    """A criterion, smoothed or not, with the options that it reads: what several requests may share."""

    criterion: Criterion
    smooth: bool
    options: ScoringOptions

    @classmethod
    def of(cls, request: ScoreRequest) -> Wanted:
        """What a request asks for, apart from scope, inversion and options that count for nothing."""
        strategy = request.strategy
        return cls(strategy.formula, strategy.smooth, strategy.options_read(request.options))

    @property
    def limit(self) -> int | None:
        """The most batches that it reads."""
        return self.options.max_smooth_batches if self.smooth else self.options.max_batches

    @property
    def needs_data(self) -> bool:
        """Whether it reads any batch."""
        return bool(self.criterion.needs)

    def needs(self, statistic: str) -> bool:
        """Whether its formula reads a statistic."""
        return statistic in self.criterion.needs


class Clean(NamedTuple):
    """What the passes without noise depend on."""

    dropout: bool
    precision: str
    compiled: bool

    @classmethod
    def of(cls, wanted: Wanted) -> Clean:
        """The pass that a score takes its activations from, and its gradient if it is not smoothed."""
        return cls(wanted.options.dropout, wanted.options.precision, wanted.options.compile)


class Noise(NamedTuple):
    """What the noisy passes depend on."""

    dropout: bool
    precision: str
    noise_std: float
    paths: int

    @classmethod
    def of(cls, wanted: Wanted) -> Noise:
        """The noisy passes of a smoothed score."""
        options = wanted.options
        return cls(options.dropout, options.precision, options.noise_std, options.paths)


def grouped(wanted: Sequence[Wanted], key: Callable[[Wanted], _Key]) -> dict[_Key, list[Wanted]]:
    """Scores by what `key` says of them, in their order."""
    groups: dict[_Key, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(key(one), []).append(one)
    return groups


@dataclass
class Totals:
    """Sums over the batches so far.

    Attributes:
        sums: Importances by parameter name, float32, 4 bytes a prunable weight for each score.
        counts: Batches and examples in them.
    """

    sums: dict[Wanted, dict[str, Tensor]]
    counts: dict[Wanted, tuple[int, int]]

    def count(self, wanted: Wanted, examples: int) -> None:
        """Count one more batch."""
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


class Sweep:
    """One pass over the batches, with everything that it needs at hand."""

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        wanted: Sequence[Wanted],
        loss_fn: LossFunction,
        seed: int,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.wanted = wanted
        self.loss_fn = loss_fn
        self.seed = seed
        self.device = next(iter(parameters.values())).device
        # On a processor nothing is won by it; a loss of somebody else's need not be a mean over the rows.
        self.together = _ALL if self.device.type == "cuda" and loss_fn is model_loss else 1
        needs_activations = any(w.needs("activation") for w in wanted)
        self.layers = linear_layers(model, list(parameters)) if needs_activations else {}
        self.compiled: CompiledLoss | None = None
        if any(w.options.compile for w in wanted):
            self.compiled = CompiledLoss(loss_fn, list(self.layers.values()))

    def run(self, batches: Iterable[Batch], rank: int, world: int) -> Totals:
        """Go through the batches, as process `rank` of `world` that share them."""
        with self.compiled.watching() if self.compiled else nullcontext():
            return self._run(batches, rank, world)

    def _run(self, batches: Iterable[Batch], rank: int, world: int) -> Totals:
        totals = Totals(
            # Zeros from the start: a process that gets no batch at all still takes part in the sum.
            {
                wanted: {n: torch.zeros_like(p, dtype=torch.float32) for n, p in self.parameters.items()}
                for wanted in self.wanted
            },
            dict.fromkeys(self.wanted, (0, 0)),
        )
        data_free = [wanted for wanted in self.wanted if not wanted.needs_data]
        for name in self.parameters:
            self._add(totals, data_free, name, None, {})
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
                self._add_batch(totals, active, index, to_device(batch, self.device))
        if not seen:
            raise ScoringError("batches: there is not a single batch to score on")
        return totals

    def _add_batch(self, totals: Totals, active: Sequence[Wanted], index: int, batch: Batch) -> None:
        batch_seed = derive_seed(self.seed, "batch", index)
        means: dict[tuple[Clean, bool], ActivationMeans] = {}  # by pass, and whether padding counts

        def checked_loss(precision: str, loss_fn: LossFunction, model: nn.Module, batch: Batch) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                loss = loss_fn(model, batch)
            if not torch.isfinite(loss).all():
                raise ScoringError(
                    f"the loss of batch {index} is {loss.detach().float().mean():g}; check its data"
                )
            return loss

        def add(sharing: Sequence[Wanted], name: str, gradient: Tensor | None) -> None:
            self._add(totals, sharing, name, gradient, means)

        for clean, sharing in grouped(active, Clean.of).items():
            unsmoothed = [w for w in sharing if not w.smooth]
            needs_gradient = any(w.needs("gradient") for w in unsmoothed)
            paddings = {w.options.padding for w in sharing if w.needs("activation")}
            if not (needs_gradient or paddings):
                continue
            self._set_dropout(clean.dropout, batch_seed, "plain")
            loss_fn = self.loss_fn
            with torch.set_grad_enabled(needs_gradient), ExitStack() as watching:
                masks = {padding: _token_mask(batch, padding) for padding in paddings}
                if clean.compiled and self.compiled:  # which has hooks of its own
                    means.update({(clean, padding): ActivationMeans(mask) for padding, mask in masks.items()})
                    loss_fn = partial(self.compiled, means=[means[clean, padding] for padding in masks])
                else:
                    for padding, mask in masks.items():
                        watch = activation_means(list(self.layers.values()), mask)
                        means[clean, padding] = watching.enter_context(watch)
                loss = checked_loss(clean.precision, loss_fn, self.model, batch)
            if needs_gradient:
                with own_gradients(self.parameters):
                    stream_gradients(loss, self.parameters, partial(add, unsmoothed))
            else:
                for name in self.parameters:
                    add(unsmoothed, name, None)
        # One noise at a time: the gradients of all together would be a model each.
        for noise, sharing in grouped([w for w in active if w.smooth], Noise.of).items():
            self._set_dropout(noise.dropout, batch_seed, "smooth")
            options = sharing[0].options
            with torch.enable_grad():
                noisy_loss = partial(checked_loss, noise.precision, self.loss_fn)
                self._smooth(batch, noisy_loss, options, batch_seed, partial(add, sharing))
        examples = _batch_size(batch)
        for wanted in active:
            totals.count(wanted, examples)

    def _smooth(
        self, batch: Batch, loss_fn: LossFunction, options: ScoringOptions, seed: int, receive: Receive
    ) -> None:
        """Smoothed gradients, with as many paths at a time as the model and the device allow."""
        # Dropout is drawn anew in every pass, so a path has its own only in a pass of its own.
        together = 1 if options.dropout else min(self.together, options.paths)
        received: list[str] = []

        def receive_once(name: str, gradient: Tensor) -> None:
            received.append(name)
            receive(name, gradient)

        try:
            with own_gradients(self.parameters):
                stream_smooth_gradients(
                    self.model,
                    batch,
                    self.parameters,
                    loss_fn,
                    options,
                    seed,
                    receive_once,
                    together=together,
                )
        except (torch.cuda.OutOfMemoryError, NotTogetherError) as error:
            if together == 1 or received:
                raise
            self.together = together // 2 if isinstance(error, torch.cuda.OutOfMemoryError) else 1
            self._smooth(batch, loss_fn, options, seed, receive)

    def _set_dropout(self, dropout: bool, batch_seed: int, passes: str) -> None:
        self.model.train(dropout)
        # A seed of the batch's own: the same whichever process scores it, and whatever else is scored.
        if dropout:
            torch.manual_seed(derive_seed(batch_seed, "dropout", passes))

    @torch.no_grad()
    def _add(
        self,
        totals: Totals,
        sharing: Sequence[Wanted],
        name: str,
        gradient: Tensor | None,
        means: Mapping[tuple[Clean, bool], ActivationMeans],
    ) -> None:
        """Add one batch's importances of one tensor, for those that share its gradient."""
        value = self.parameters[name].detach()
        statistics = []
        for wanted in sharing:
            activation = None
            if wanted.needs("activation"):
                mean = means[Clean.of(wanted), wanted.options.padding].mean(self.layers[name])
                # (out_features, 1) for a weight's rows, (out_features,) for a bias
                activation = mean.unsqueeze(1) if value.dim() == 2 else mean
            stats = ParamStats(value, gradient if wanted.needs("gradient") else None, activation)
            if wanted.criterion.by_row and value.device.type == "cpu" and value.dim() == 2:
                statistics.append((wanted, stats))
            else:
                stats = replace(stats, seed=derive_seed(self.seed, "tensor", name))
                totals.sums[wanted][name].add_(wanted.criterion.function(stats, wanted.options))
        if not statistics:
            return
        # Block by block, so that what one score has read is still in the cache for the next.
        rows = max(1, _BLOCK // value.shape[1])
        for start in range(0, value.shape[0], rows):
            block = slice(start, start + rows)
            for wanted, stats in statistics:
                importances = wanted.criterion.function(stats.rows(block), wanted.options)
                totals.sums[wanted][name][block].add_(importances)


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
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


def place() -> tuple[int, int]:
    """Rank and number of the processes of the default group.

    Raises:
        InputError: There is no group.
    """
    if not torch.distributed.is_initialized():
        raise InputError("distributed", True, "torch.distributed must be initialised first")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def _batch_size(batch: Batch) -> int:
    tensors = [value for value in batch.values() if isinstance(value, Tensor) and value.dim() > 0]
    return int(tensors[0].shape[0]) if tensors else 0
