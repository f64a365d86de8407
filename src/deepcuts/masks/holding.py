"""Masking: put masks on a model, hold them while any optimizer runs, verify, take them off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from deepcuts.common.errors import InputError, InvariantError, MismatchError
from deepcuts.common.wrapped import unwrapped
from deepcuts.masks.masks import Masks

#: Bytes of a weight → whole numbers of that size.
_WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class HeldMasks:
    """Masks on the parameters of one model, under all names that a shared one has in it.

    They are held on what the model has when they are applied or verified: where a parameter was replaced
    since (by ``load_state_dict(assign=True)``, by another module), on the new one.

    Args:
        model: The model; not touched before `apply`.
        masks: Masks for some of its parameters.

    Raises:
        MismatchError: The masks are for another model.
    """

    def __init__(self, model: nn.Module, masks: Masks) -> None:
        self._model = model = unwrapped(model)
        parameters = masks.parameters_of(model)
        # All bits of a kept weight and none of a cut one: -1 and 0, a byte each.
        self._kept: dict[str, Tensor] = {
            name: masks[name].to(parameter.device, torch.int8).neg_()
            for name, parameter in parameters.items()
        }
        first = {id(parameter): name for name, parameter in parameters.items()}
        #: Every name of a masked parameter, as a path of modules, and the name that its mask has.
        self._places = [
            (tuple(name.split(".")), first[id(parameter)])
            for name, parameter in model.named_parameters(remove_duplicate=False)
            if id(parameter) in first
        ]

    @torch.no_grad()
    def apply(self) -> None:
        """Set every cut weight to exactly +0, whatever it was, NaN included.

        Raises:
            MismatchError: The model lacks a masked parameter now, or has it in another shape.
        """
        for name, parameter in self._parameters():
            if self._kept[name].device != parameter.device:  # the model was moved after the masks were made
                self._kept[name] = self._kept[name].to(parameter.device)
            # As whole numbers, the weights lose their bits; four times as fast on a CPU as masked_fill_.
            parameter.detach().view(_WORDS[parameter.element_size()]).bitwise_and_(self._kept[name])

    def verify(self) -> None:
        """Check that every cut weight is exactly 0.

        Raises:
            InvariantError: One is not; the message names the tensor and counts them.
            MismatchError: See `apply`.
        """
        for name, parameter in self._parameters():
            revived = int(parameter.detach()[self._kept[name].to(parameter.device) == 0].count_nonzero())
            if revived:
                raise InvariantError(f"{revived:,} cut weights of {name!r} are not 0")

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The masked parameters that the model has now, each once, by the names of their masks."""
        seen: set[int] = set()
        for path, name in self._places:
            # nn.Module's own dictionaries: its attributes take twenty times as long, and this is every step.
            module: nn.Module | None = self._model
            for part in path[:-1]:
                module = None if module is None else module._modules.get(part)
            parameter = None if module is None else module._parameters.get(path[-1])
            if parameter is None or parameter.shape != self._kept[name].shape:
                found = "is gone" if parameter is None else f"has shape {tuple(parameter.shape)} now"
                raise MismatchError(
                    f"masks are held on a model that has changed: {'.'.join(path)!r} {found}, its mask has "
                    f"shape {tuple(self._kept[name].shape)}"
                )
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter


def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Set every cut weight of the model to 0, once.

    Raises:
        MismatchError: The masks are for another model.
    """
    HeldMasks(model, masks).apply()


def verify_masks(model: nn.Module, masks: Masks) -> None:
    """Check that every cut weight of the model is exactly 0.

    Raises:
        MismatchError: The masks are for another model.
        InvariantError: A cut weight is not 0.
    """
    HeldMasks(model, masks).verify()


@contextmanager
def masked(model: nn.Module, masks: Masks, *optimizers: Optimizer) -> Iterator[HeldMasks]:
    """Hold masks on a model: its cut weights are 0 now and after every step of the optimizers.

    It works with any optimizer, because the zeros are restored after the step rather than the gradients
    cut before it: momentum, weight decay and adaptive moments can't revive a weight. On leaving, the
    hooks are removed and the zeros verified; they stay in the model.

    Args:
        model: The model.
        masks: Masks for some of its parameters.
        optimizers: Those that train it, also as Accelerate prepares them; with none, call ``apply()`` of what
            is yielded after each step.

    Yields:
        The held masks.

    Raises:
        MismatchError: The masks are for another model.
        InputError: An optimizer has no ``register_step_post_hook``, which torch's optimizers have.
        InvariantError: On leaving, a cut weight is not 0: something else than the optimizers wrote to it.
    """
    steppers = [_stepper(optimizer) for optimizer in optimizers]
    held = HeldMasks(model, masks)
    held.apply()

    def restore_zeros(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        held.apply()

    hooks = [optimizer.register_step_post_hook(restore_zeros) for optimizer in steppers]
    try:
        yield held
    finally:
        for hook in hooks:
            hook.remove()
    held.verify()


def _stepper(optimizer: Any) -> Optimizer:
    """What makes the steps of an optimizer: itself, or what it wraps, as Accelerate's does.

    Accelerate's has the methods of torch's optimizers, and not what they work on.
    """
    found = optimizer
    while not hasattr(found, "_optimizer_step_post_hooks") and hasattr(found, "optimizer"):
        found = found.optimizer
    if not hasattr(found, "register_step_post_hook"):
        raise InputError("optimizer", type(optimizer).__name__, "it must be a torch.optim.Optimizer")
    stepper: Optimizer = found
    return stepper
