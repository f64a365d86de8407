"""New values of kept weights that make up for those that a cut takes, by criteria that know some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.common.wrapped import unwrapped
from deepcuts.masks.masks import Masks
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.passes import Batch, LossFunction, model_loss
from deepcuts.scoring.statistics import Statistic
from deepcuts.scoring.strategy import ScoreRequest
from deepcuts.scoring.sweep import Sweep
from deepcuts.scoring.undisturbed import undisturbed
from deepcuts.scoring.wanted import Wanted


@dataclass(frozen=True)
class Cut:
    """A cut that is to come, of a model that is still whole.

    Attributes:
        model: The model, on its device.
        parameters: Its prunable parameters, by name.
        batches: Batches that may be gone through again and again, as many as the scores read.
        masks: What will be kept, on the model's device.
        wanted: What the masks were made by.
        loss_fn: Gives the loss.
        seed: The run's seed.
    """

    model: nn.Module
    parameters: Mapping[str, nn.Parameter]
    batches: Iterable[Batch]
    masks: Mapping[str, Tensor]
    wanted: Wanted
    loss_fn: LossFunction
    seed: int

    @property
    def options(self) -> ScoringOptions:
        """The options of scoring that the criterion reads."""
        return self.wanted.options

    def statistics(self, name: str) -> dict[str, Statistic]:
        """What a sweep over the batches accumulates of each tensor, as for the scores.

        Args:
            name: Of the statistic.
        """
        sweep = Sweep(self.model, self.parameters, [self.wanted], self.loss_fn, self.seed)
        return sweep.run(self.batches, 0, 1).accumulated(self.wanted, name)


def updates_weights(request: ScoreRequest) -> bool:
    """Whether the criterion of a request gives kept weights new values."""
    return request.strategy.formula.update is not None


def updated_weights(
    model: nn.Module,
    batches: Sequence[Batch] | Iterable[Batch],
    masks: Masks,
    request: ScoreRequest,
    *,
    seed: int = 0,
    loss_fn: LossFunction | None = None,
    prunable: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """The values that a criterion gives the kept weights, so that they make up for the cut ones.

    They are those of this model, so a run that goes back to earlier values has no use for them. The model
    stays as it is; write them with the masks on: ``model.get_parameter(name).copy_(value)``.

    Args:
        model: The model that was scored, still whole.
        batches: Those that it was scored on; gone through several times.
        masks: What is kept.
        request: What the masks were made by.
        seed: See `deepcuts.scoring.scoring.score`.
        loss_fn: Likewise.
        prunable: Likewise.

    Returns:
        Parameter name → new values, 0 where cut.

    Raises:
        InputError: The criterion gives none.
        MismatchError: The masks are of another model.
        ScoringError: As for scores.
    """
    update = request.strategy.formula.update
    if update is None:
        raise InputError(
            "strategy", str(request.strategy), "its criterion must be one that updates kept weights"
        )
    model = unwrapped(model)
    parameters = prunable_parameters(model, prunable)
    masks.parameters_of(model)
    device = next(iter(parameters.values())).device
    wanted = Wanted.of(request)
    on_device = {name: masks[name].to(device) for name in parameters}
    with undisturbed(model):
        model.eval()
        cut = Cut(model, parameters, batches, on_device, wanted, loss_fn or model_loss, seed)
        return dict(update(cut))
