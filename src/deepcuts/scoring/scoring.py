"""Scoring: one sweep over the data serves any number of strategies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.passes import Batch, LossFunction, model_loss
from deepcuts.scoring.request import ScoreRequest
from deepcuts.scoring.scores import ModelIdentity, Scores
from deepcuts.scoring.strategy import Strategy
from deepcuts.scoring.sweep import Clean, Noise, Sweep, Wanted, grouped, place, restored


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
    wanted = {request: Wanted.of(request) for request in requests}
    parameters = prunable_parameters(model, prunable)
    sweep = Sweep(model, parameters, list(dict.fromkeys(wanted.values())), loss_fn or model_loss, seed)
    with restored(model):
        totals = sweep.run(batches, *(place() if distributed else (0, 1)))
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

    def longest(sharing: Sequence[Wanted]) -> int:
        return max(batches if one.limit is None else min(one.limit, batches) for one in sharing)

    wanted = [one for one in dict.fromkeys(map(Wanted.of, requests)) if one.needs_data]
    plain = [one for one in wanted if not one.smooth or one.needs("activation")]
    noisy = [one for one in wanted if one.smooth]
    return sum(longest(sharing) for sharing in grouped(plain, Clean.of).values()) + sum(
        noise.paths * longest(sharing) for noise, sharing in grouped(noisy, Noise.of).items()
    )
