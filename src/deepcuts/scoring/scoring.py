"""Scoring: one sweep over the data serves any number of strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.common.seeds import check_seed
from deepcuts.common.wrapped import unwrapped
from deepcuts.scoring.memory import check_memory
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.passes import Batch, LossFunction, model_loss
from deepcuts.scoring.scores import ModelIdentity, Scores
from deepcuts.scoring.strategy import ScoreRequest, Strategy
from deepcuts.scoring.sweep import Sweep, rank_and_size
from deepcuts.scoring.undisturbed import undisturbed
from deepcuts.scoring.wanted import Wanted, count_passes

__all__ = ["count_passes", "score", "score_requests"]


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

    A score is the sum over batches of the criterion's importances, or its importances of statistics that are
    accumulated over all batches. What strategies share, passes and statistics, is computed once.
    Checkpointing of activations is off meanwhile. Afterwards the model has its modes, gradients and hooks as
    before, and the global random generators are where they were. For strategies with options of their own
    see `score_requests`.

    Args:
        model: Any module; scored on the device that it is on.
        batches: Mappings of tensors with the labels among them; moved to the model's device. Read no
            further than the options ask for, and not at all if no strategy needs data. With a `loss_fn` that
            takes them they may be tuples, lists or anything else. Which tokens are padding is read off an
            ``attention_mask`` in the batch, or else off what the encoder is called with; without one all
            count in mean outputs and inputs.
        strategies: Names such as ``"LayerGradCAMShift"`` (see `Strategy.parse`), or strategies.
        seed: Seed of noise, dropout and random scores, from 0 to below 2**32.
        options: See `ScoringOptions`.
        loss_fn: ``(model, batch) -> loss``, a scalar; by default the loss that the model returns.
        prunable: Patterns of parameter names, see `prunable_parameters`.
        distributed: Whether the processes of the default ``torch.distributed`` group share the work: all
            are given the same batches, each takes its share, and all get the same sums at the end.

    Returns:
        Strategy name, as it was given, → `Scores`. Strategies that differ in scope alone share tensors.

    Raises:
        InputError: A strategy is unknown, or can't be computed for a named parameter; or none is given; or
            what it accumulates doesn't fit into memory.
        ScoringError: There are no batches, no labels, or a loss or a score that is not finite; or a
            parameter is scored by its gradient, and no batch's loss depends on it.
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
    values: Mapping[str, Tensor] | None = None,
) -> dict[ScoreRequest, Scores]:
    """Score every prunable weight by strategies with options of their own, in one sweep.

    Requests that need the same passes over a batch share them: Cam-Cut with ten values of λ costs one
    forward and backward pass a batch, as with one. Arguments and errors are those of `score`, and ``values``:
    what formulas take for the weights, by name, where passes are made with others, such as some of them cut.

    Returns:
        Request → `Scores`. Requests that differ in scope, or in options that are not read, share tensors.
    """
    if not requests:
        raise InputError("strategies", [], "at least one is needed")
    check_seed(seed)
    model = unwrapped(model)
    wanted = {request: Wanted.of(request) for request in requests}
    parameters = prunable_parameters(model, prunable)
    check_memory(parameters, requests)
    sweep = Sweep(
        model, parameters, list(dict.fromkeys(wanted.values())), loss_fn or model_loss, seed, values
    )
    with undisturbed(model):
        tally = sweep.run(batches, *(rank_and_size() if distributed else (0, 1)))
    if distributed:
        tally.reduce()
    identity = ModelIdentity.of(model, parameters)
    importances = {key: tally.importances(key) for key in sweep.wanted}
    found = {}
    for request, key in wanted.items():
        upright = Strategy(key.criterion.name, request.strategy.scope, key.gradient.name)
        scores = Scores(importances[key], upright, key.options, *tally.counts[key], seed, identity)
        scores.check_finite()
        found[request] = scores.under(request.strategy)
    return found
