"""What a gradient explains: the loss, or the logit of each example's target."""

from __future__ import annotations

from torch import Tensor, nn

from deepcuts.common.errors import InputError, ScoringError
from deepcuts.scoring.passes import Batch, LossFunction, model_loss


def explaining(explain: str, loss_fn: LossFunction) -> LossFunction:
    """What a pass differentiates.

    Args:
        explain: ``"loss"`` or ``"logit"``.
        loss_fn: The run's.

    Raises:
        InputError: A logit is to be explained of a model whose loss is somebody else's.
    """
    if explain == "loss":
        return loss_fn
    if loss_fn is not model_loss:
        raise InputError("explain", explain, "with a loss_fn of your own it must be loss")
    return target_logit


def target_logit(model: nn.Module, batch: Batch) -> Tensor:
    """The mean over examples of the logit of the target; of a model with one output, that output.

    Labels below 0 count for nothing. Where an example may have several classes, their logits are summed.

    Raises:
        ScoringError: The batch holds no labels, or the model returns no logits that they fit.
    """
    if "labels" not in batch:
        raise ScoringError("a batch holds no 'labels', so there is no target whose logit could be explained")
    labels: Tensor = batch["labels"]
    logits = getattr(model(**batch), "logits", None)
    if not isinstance(logits, Tensor):
        raise ScoringError(f"{type(model).__name__} returns no logits; explain its loss")
    return of_targets(logits, labels)


def of_targets(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of ``(examples, …, classes)`` at the labels, ``(examples, …)``; see `target_logit`."""
    if logits.shape[-1] == 1:
        return logits.mean()
    if not labels.is_floating_point() and labels.shape == logits.shape[:-1]:
        counted = labels >= 0
        chosen = logits.gather(-1, labels.clamp_min(0)[..., None]).squeeze(-1)
        return (chosen * counted).sum() / counted.sum().clamp_min(1)
    if labels.shape == logits.shape:
        return (logits * (labels > 0.5)).sum() / len(logits)
    raise ScoringError(
        f"labels of shape {tuple(labels.shape)} name no targets of logits of shape {tuple(logits.shape)}"
    )
