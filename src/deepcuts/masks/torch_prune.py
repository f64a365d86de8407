"""Masks as parametrisations of ``torch.nn.utils.prune``, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from deepcuts.common.errors import ModelError
from deepcuts.common.wrapped import unwrapped
from deepcuts.masks.masks import Masks


def to_torch_prune(model: nn.Module, masks: Masks) -> None:
    """Put masks on a model as ``torch.nn.utils.prune`` does.

    Each masked parameter becomes ``<name>_orig``, with its values unchanged, beside a buffer
    ``<name>_mask``; the modules multiply the two before each forward pass, and ``prune.remove`` makes that
    permanent. A parameter that several modules share is masked in each of them, and stays shared.

    Args:
        model: The model; left as it is if the masks don't fit.
        masks: Masks for some of its parameters.

    Raises:
        MismatchError: The masks are for another model, or the parameters are pruned by torch already, which
            changes their names.
    """
    wanted = {id(parameter): masks[name] for name, parameter in masks.parameters_of(model).items()}
    homes = [
        (module, name, wanted[id(parameter)])
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if id(parameter) in wanted
    ]
    for module, name, mask in homes:
        device = module.get_parameter(name).device
        prune.custom_from_mask(module, name, mask.to(device))  # type: ignore[no-untyped-call]


def from_torch_prune(model: nn.Module) -> Masks:
    """Read the masks of a model that ``torch.nn.utils.prune`` pruned.

    Args:
        model: The model, before ``prune.remove``, which drops its masks.

    Returns:
        Masks by the names that the parameters had before, without provenance.

    Raises:
        ModelError: The model carries no such masks, or one parameter carries different ones in two modules.
    """
    found: dict[str, Tensor] = {}
    first: dict[int, str] = {}  # the parameters seen, by identity
    for path, module in unwrapped(model).named_modules():
        for stored, parameter in module.named_parameters(recurse=False):
            name = stored.removesuffix("_orig")
            mask = getattr(module, f"{name}_mask", None)
            if name == stored or not isinstance(mask, Tensor):
                continue
            kept = mask.detach() != 0
            full = f"{path}.{name}" if path else name
            original = first.setdefault(id(parameter), full)
            if original == full:
                found[full] = kept
            elif not torch.equal(kept, found[original]):
                raise ModelError(f"{original!r} and {full!r} are one parameter, but have different masks")
    if not found:
        raise ModelError(
            f"{type(model).__name__} carries no masks of torch.nn.utils.prune (no '<name>_orig' with a "
            "'<name>_mask')"
        )
    return Masks(found)
