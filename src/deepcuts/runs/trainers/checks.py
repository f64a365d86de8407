"""What a Trainer must be like for its model to be pruned by it; refused before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

from deepcuts.common.errors import InputError
from deepcuts.runs.trainers.batches import TrainerBatches
from deepcuts.scoring.undisturbed import undisturbed


def check_kind(trainer: Any) -> None:
    """Refuse what is no Trainer.

    Raises:
        InputError: It is none.
    """
    if not isinstance(trainer, Trainer):
        raise InputError("trainer", type(trainer).__name__, "it must be a transformers.Trainer")


def check_trainer(trainer: Any, model: nn.Module) -> None:
    """Refuse a Trainer whose model can't be pruned, or whose training would undo it.

    Raises:
        InputError: It has no training data, or a model or an optimizer that can't be used; the message says
            what to do.
    """
    if trainer.train_dataset is None:
        raise InputError("trainer", type(trainer).__name__, "it has no train_dataset to learn and score from")
    for flag, name in (("is_deepspeed_enabled", "DeepSpeed"), ("is_fsdp_enabled", "FSDP")):
        if getattr(trainer, flag, False):
            raise InputError(
                "trainer", name, "its weights are not whole on a process; use one process or DDP"
            )
    if any(hasattr(module, "peft_config") or hasattr(module, "lora_A") for module in model.modules()):
        raise InputError(
            "trainer",
            type(model).__name__,
            "its model has adapters of PEFT; merge them first (model.merge_and_unload()), and give a Trainer "
            "of the merged model",
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise InputError("trainer", type(model).__name__, "its model is on the meta device; load its weights")
    if _was_given(trainer):
        raise InputError(
            "trainer",
            type(trainer.optimizer).__name__,
            "it was given an optimizer, but each training needs a fresh one; use the arguments' optim, "
            "optimizer_cls_and_kwargs, or override create_optimizer",
        )


def check_frozen(parameters: Mapping[str, nn.Parameter]) -> None:
    """Refuse parameters that are to be cut, but can't learn.

    Raises:
        InputError: One is frozen.
    """
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    if frozen:
        more = f" and {len(frozen) - 1} more" if len(frozen) > 1 else ""
        raise InputError(
            "trainer",
            frozen[0],
            f"this prunable parameter{more} is frozen (requires_grad is False); unfreeze it, or leave it out "
            "by prunable",
        )


def unread_by_loss(
    trainer: Any, model: nn.Module, parameters: Mapping[str, nn.Parameter], seed: int
) -> list[str]:
    """Compute the loss of one batch, as scoring will.

    Returns:
        Names of the parameters that it doesn't depend on, such as a pooler that an embedding model has no use
        for.

    Raises:
        InputError: There is no batch, or the loss is no finite scalar that gradients come from.
    """
    for loss in _losses(trainer):
        if any(base.__name__ == "CachedLossMixin" for base in type(loss).__mro__) or hasattr(
            loss, "calculate_loss_and_cache_gradients"
        ):
            raise InputError(
                "trainer",
                type(loss).__name__,
                "this loss has a backward pass of its own, which scores can't be taken from; train with its "
                "form that isn't cached",
            )
    batch = next(iter(TrainerBatches(trainer, seed, 1)), None)
    if batch is None:
        raise InputError("trainer", type(trainer).__name__, "its training data gives not a single batch")
    with undisturbed(model), torch.enable_grad():
        found = loss_of(trainer, model, batch)
    if not isinstance(found, Tensor) or found.dim() != 0:
        shape = (
            f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        )
        raise InputError("trainer", shape, "its compute_loss must give a scalar tensor")
    if not found.requires_grad:
        raise InputError(
            "trainer", type(trainer).__name__, "no gradient comes from what its compute_loss gives"
        )
    if not torch.isfinite(found):
        raise InputError("trainer", float(found), "its loss must be finite; check its data")
    gradients = torch.autograd.grad(found, list(parameters.values()), allow_unused=True)
    return [name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None]


def loss_of(trainer: Any, model: nn.Module, batch: Any) -> Tensor:
    """A Trainer's own loss of one of its batches."""
    inputs = trainer._prepare_inputs(dict(batch) if isinstance(batch, Mapping) else batch)
    loss: Tensor = trainer.compute_loss(model, inputs)
    return loss


def _losses(trainer: Any) -> list[Any]:
    """The losses of a Trainer of sentence-transformers, those inside of others too; none of another."""
    given = getattr(trainer, "loss", None)
    found = list(given.values()) if isinstance(given, Mapping) else [given]
    return [inner for one in found if isinstance(one, nn.Module) for inner in one.modules()]


def _was_given(trainer: Any) -> bool:
    """Whether the Trainer's optimizer is an instance that somebody made: it has not trained, and has one."""
    return trainer.optimizer is not None and not trainer.state.global_step
