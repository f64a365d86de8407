"""What a sweep has gathered so far: statistics, each once for all that share it, and sums of importances."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import torch
import torch.distributed
from torch import Tensor, nn

from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.param_stats import ParamStats
from deepcuts.scoring.passes import Batch, refuse_missing
from deepcuts.scoring.statistics import ExampleStatistic, GradientStatistic, LayerStatistic, Statistic
from deepcuts.scoring.tokens import Tokens
from deepcuts.scoring.wanted import Changed, Clean, Wanted, statistic_key
from deepcuts.scoring.watching import Watch

#: Elements of a block of rows: 256 KiB of float32, so that weights, gradients and one intermediate stay in
#: the second-level cache.
_BLOCK = 1 << 16


class SumOverBatches(Statistic):
    """The statistic that the paper's scores are: the sum over batches of a formula of the batch.

    Args:
        parameter: The tensor; 4 bytes a weight.
    """

    def __init__(self, parameter: Tensor) -> None:
        # Zeros from the start: a process that gets no batch at all still takes part in the sum.
        self.state = {"sum": torch.zeros_like(parameter, dtype=torch.float32, requires_grad=False)}

    def update(self, importances: Tensor, rows: slice | None = None) -> None:
        """Add the importances of one batch, or of some of its rows."""
        total = self.state["sum"]
        (total if rows is None else total[rows]).add_(importances)

    def compute(self, parameter: Tensor) -> Tensor:
        """The sum, shaped like the parameter."""
        return self.state["sum"]


class Shared:
    """One accumulator that any number of scores share.

    Args:
        make: Makes it.
        per_batch: Whether it is made anew for every batch.
        layers: What a statistic of layers is of.
    """

    def __init__(
        self, make: Callable[[], Statistic], per_batch: bool, layers: Sequence[nn.Linear] = ()
    ) -> None:
        self._make = make
        self.per_batch = per_batch
        self.layers = layers
        self.statistic = make()

    def start_batch(self) -> None:
        """Begin a batch; this also lets go of what the last one held."""
        if self.per_batch:
            self.statistic = self._make()


class Tally:
    """Statistics and sums of one sweep.

    Args:
        parameters: What is scored, by name.
        wanted: The scores.
        layers: The linear layers that own each parameter; empty if no score needs them.
        seed: The run's seed.
        values: What formulas take for the weights, by name; by default those that the parameters have.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        wanted: Sequence[Wanted],
        layers: Mapping[str, Sequence[nn.Linear]],
        seed: int,
        values: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._parameters = parameters
        self._values = values
        self._seeds = {name: derive_seed(seed, "tensor", name) for name in parameters}
        self._shared: dict[Hashable, Shared] = {}
        self._read = {
            one: {name: self._statistics(one, name, layers) for name in parameters} for one in wanted
        }
        self._sums = {
            one: {name: SumOverBatches(parameter) for name, parameter in parameters.items()}
            for one in wanted
            if not one.criterion.accumulates
        }
        self.counts = dict.fromkeys(wanted, (0, 0))  # batches, and examples in them
        self._arrived: dict[Clean | Changed, set[str]] = {
            one.gradient_source: set() for one in wanted if one.criterion.reads_gradient
        }

    def _statistics(
        self, wanted: Wanted, name: str, layers: Mapping[str, Sequence[nn.Linear]]
    ) -> dict[str, Shared]:
        """What a score reads of one tensor, by the statistic's name."""
        parameter = self._parameters[name].detach()
        found = {}
        for kind in wanted.criterion.statistics:
            key: tuple[Hashable, ...] = statistic_key(wanted, kind)
            if issubclass(kind, LayerStatistic):
                key = Clean.of(wanted), *key, tuple(layers[name])
                owners, of_layers, options = layers[name], kind, wanted.options
                made = lambda k=of_layers, o=owners, p=options: k(o, p)  # noqa: E731
            else:
                key = wanted.gradient_source, *key, name
                made = lambda k=kind, v=parameter, p=wanted.options: k(v, p)  # noqa: E731
                owners = ()
            if key not in self._shared:
                self._shared[key] = Shared(made, kind.per_batch, owners)
            found[kind.name] = self._shared[key]
        return found

    def watch(self, sharing: Iterable[Wanted], batch: Batch, maskers: Iterable[nn.Module] = ()) -> Watch:
        """An observer of one clean pass, for the scores that share it; for `maskers` see `Watch`."""
        fed = {
            id(shared): shared
            for one in sharing
            for of_tensor in self._read[one].values()
            for shared in of_tensor.values()
            if shared.layers
        }
        for shared in fed.values():
            shared.start_batch()
        pairs = [(shared.statistic, shared.layers) for shared in fed.values()]
        of_layers = [(one, layers) for one, layers in pairs if isinstance(one, LayerStatistic)]
        return Watch(of_layers, Tokens.of(batch), maskers)

    @torch.no_grad()
    def receive(self, sharing: Sequence[Wanted], name: str, gradient: Tensor, is_there: bool) -> None:
        """Take one batch's gradient of one tensor, for those that share it, and let go of it."""
        if is_there:
            self._arrived[sharing[0].gradient_source].add(name)
        updated = {}
        for one in sharing:
            for shared in self._read[one][name].values():
                if not shared.layers and id(shared) not in updated:
                    updated[id(shared)] = shared
                    assert isinstance(shared.statistic, GradientStatistic)
                    shared.statistic.update(gradient)
        self._add(sharing, name)
        for shared in updated.values():  # which are new ones when the next batch's gradient comes
            shared.start_batch()

    @torch.no_grad()
    def receive_examples(self, sharing: Sequence[Wanted], name: str, gradients: Tensor) -> None:
        """Take some examples' gradients of one tensor, ``(examples, *shape)``, for those that share them."""
        self._arrived[sharing[0].gradient_source].add(name)
        found = {id(shared): shared for one in sharing for shared in self._read[one][name].values()}
        for shared in found.values():
            if isinstance(shared.statistic, ExampleStatistic):
                shared.statistic.update(gradients)

    @torch.no_grad()
    def add(self, sharing: Iterable[Wanted], name: str) -> None:
        """Add one batch's importances of one tensor, from its statistics as they are now."""
        self._add(sharing, name)

    def _add(self, sharing: Iterable[Wanted], name: str) -> None:
        parameter = self._weights(name)
        value = parameter.float()
        computed: dict[int, Tensor] = {}
        by_row = []
        in_blocks = value.device.type == "cpu" and value.dim() == 2 and value.numel() > _BLOCK
        for one in sharing:
            if one.criterion.accumulates:
                continue
            stats = self._stats(one, name, parameter, value, computed)
            if one.criterion.by_row and in_blocks:
                by_row.append((one, stats))
            else:
                self._sums[one][name].update(one.criterion.function(stats, one.options))
        if not by_row:
            return
        # Block by block, so that what one score has read is still in the cache for the next.
        rows = max(1, _BLOCK // value.shape[1])
        for start in range(0, value.shape[0], rows):
            block = slice(start, start + rows)
            for one, stats in by_row:
                importances = one.criterion.function(stats.rows(block), one.options)
                self._sums[one][name].update(importances, block)

    def _stats(
        self, wanted: Wanted, name: str, parameter: Tensor, value: Tensor, computed: dict[int, Tensor]
    ) -> ParamStats:
        """What a formula sees of one tensor; `computed` holds what others have asked for already."""
        found = {}
        for of, shared in self._read[wanted][name].items():
            if id(shared) not in computed:
                computed[id(shared)] = shared.statistic.compute(parameter)
            found[of] = computed[id(shared)]
        gradient, activation = found.pop("gradient", None), found.pop("activation", None)
        return ParamStats(value, gradient, activation, self._seeds[name], found)

    def _weights(self, name: str) -> Tensor:
        """A tensor's weights, as formulas take them."""
        parameter = self._parameters[name].detach()
        return parameter if self._values is None else self._values[name].to(parameter.device)

    def accumulated(self, wanted: Wanted, name: str) -> dict[str, Statistic]:
        """The accumulators of one statistic of a score, by parameter."""
        return {tensor: of_tensor[name].statistic for tensor, of_tensor in self._read[wanted].items()}

    def count(self, wanted: Wanted, examples: int) -> None:
        """Count one more batch."""
        batches, before = self.counts[wanted]
        self.counts[wanted] = batches + 1, before + examples

    def reduce(self) -> None:
        """Sum over the processes of the default group, so that each has the whole."""
        add_up = torch.distributed.all_reduce
        device = next(iter(self._parameters.values())).device
        for one in self.counts:
            if one.needs_data:
                for total in self._sums.get(one, {}).values():
                    total.reduce(add_up)
                counts = torch.tensor(self.counts[one], device=device)
                add_up(counts)
                self.counts[one] = int(counts[0]), int(counts[1])
        for shared in self._shared.values():
            if not shared.per_batch:
                shared.statistic.reduce(add_up)
        for names in self._arrived.values():
            arrived = torch.tensor([name in names for name in self._parameters], device=device).int()
            add_up(arrived)
            names.update(
                name for name, times in zip(self._parameters, arrived.tolist(), strict=True) if times
            )

    @torch.no_grad()
    def importances(self, wanted: Wanted) -> dict[str, Tensor]:
        """Name → importances, float32: what all batches come to.

        Raises:
            ScoringError: No batch's loss depends on a parameter that is scored by its gradient.
        """
        if wanted.criterion.reads_gradient and self.counts[wanted][0]:
            arrived = self._arrived[wanted.gradient_source]
            refuse_missing([name for name in self._parameters if name not in arrived])
        if not wanted.criterion.accumulates:
            return {name: total.compute(self._parameters[name]) for name, total in self._sums[wanted].items()}
        found = {}
        for name in self._parameters:
            held = self._weights(name)
            stats = self._stats(wanted, name, held, held.float(), {})
            found[name] = wanted.criterion.function(stats, wanted.options).float()
        return found
