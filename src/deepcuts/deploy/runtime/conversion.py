"""Turn the pruned layers of a model into sparse ones."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from deepcuts.architectures.families import all_architectures
from deepcuts.architectures.parameters import check_plain
from deepcuts.common.errors import InputError
from deepcuts.deploy.runtime.choices import Chooser
from deepcuts.deploy.runtime.encoder_layer import use_kernel
from deepcuts.deploy.runtime.kernel import PRECISIONS, Activation, Precision
from deepcuts.deploy.runtime.sparse_linear import MOST_IN_FEATURES, SparseLinear

_Model = TypeVar("_Model", bound=nn.Module)


def sparsify(model: _Model, *, precision: Precision = "float32", dense_above: float | None = None) -> _Model:
    """A copy of a model for inference in which pruned linear layers are sparse.

    A layer is pruned if weights of it are exactly 0; it becomes a `SparseLinear` if its density is low enough
    for that to be faster. All else is copied, but dense weights that are not needed never are. The
    copy runs on the CPU, is in evaluation mode and asks for no gradients; the model itself is not changed.

    In the feed-forward blocks of the BERT family, GELU is applied by the sparse layer, which then takes the
    place of both. Attention goes to the kernel too, for models that take it from Transformers' registry and
    have it at its default; and layers like BERT's are run as a whole.

    Args:
        model: Any module, on the CPU.
        precision: ``"float32"``: outputs within 1e-5 of the dense model's, relative to the largest.
            ``"bfloat16"``: weights and inputs of sparse layers are rounded to it, sums and everything else
            are not, but for attention's products where the processor has such (AVX-512 BF16); there it is
            nearly twice as fast.
        dense_above: The density above which layers stay dense. By default it is measured, for each shape on
            this machine, which takes some tenths of a second the first time and is kept after that
            (`deepcuts.deploy.runtime.measured`), and so is whether the kernel's attention is faster than
            PyTorch's; then both may differ from machine to machine. 1 makes every pruned layer sparse, and
            takes the kernel's attention. What was decided, `deepcuts.deploy.runtime.choices_of` tells.

    Raises:
        InputError: An option has a value that is not allowed, a parameter is not on the CPU, a linear layer's
            weight is made anew in every pass, or no linear layer has weights that are 0.
    """
    check_options(precision, dense_above)
    for name, parameter in model.named_parameters():
        if parameter.device.type != "cpu":
            raise InputError("model", f"{name} on {parameter.device}", "it must be on the CPU")
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear):
            check_plain(module, [name for name, _ in module.named_parameters()], path)
    fused = fused_activations(model)
    # What deepcopy finds in here, by identity, it takes instead of copying.
    replaced: dict[int, Any] = {}
    chooser = Chooser(precision, dense_above)
    for module in model.modules():
        if not _can_be_sparse(module):
            continue
        assert isinstance(module, nn.Linear)
        density = module.weight.count_nonzero().item() / module.weight.numel()
        if density == 1:
            continue
        shape = (module.out_features, module.in_features)
        if not chooser.is_sparse(shape, density, module.weight.dtype):
            continue
        function = fused.get(id(module))
        activation: Activation | None = None if function is None else "gelu"
        replaced[id(module)] = SparseLinear.from_linear(module, precision=precision, activation=activation)
        if function is not None:
            replaced[id(function)] = nn.Identity()
    if not chooser.asked:
        raise InputError("model", type(model).__name__, "it must have linear layers with weights that are 0")
    made: _Model = copy.deepcopy(model, replaced)
    made.eval().requires_grad_(False)
    chooser.note(made, use_kernel(made, precision, measure=dense_above is None))
    return made


def check_options(precision: str, dense_above: float | None) -> None:
    """Refuse options that are not allowed.

    Raises:
        InputError: One is not; the message says which.
    """
    if precision not in PRECISIONS:
        raise InputError("precision", precision, f"it must be one of {', '.join(PRECISIONS)}")
    if dense_above is not None and not 0 <= dense_above <= 1:
        raise InputError("dense_above", dense_above, "it must be from 0 to 1")


def _can_be_sparse(module: nn.Module) -> bool:
    # A subclass may do more than its name says, and its owner may use the weight behind its back.
    return (
        type(module) is nn.Linear
        and 0 < module.in_features <= MOST_IN_FEATURES
        and module.out_features > 0
        and module.weight.dtype in (torch.float32, torch.float16, torch.bfloat16)
    )


def fused_activations(model: nn.Module) -> dict[int, nn.Module]:
    """Identity of a linear layer → the GELU that is applied to its output and to nothing else."""
    uses: dict[int, int] = {}
    for module in model.modules():
        for child in module.children():
            uses[id(child)] = uses.get(id(child), 0) + 1
    known = {name: of for one in all_architectures().values() for name, of in one.feed_forward.items()}
    found = {}
    for module in model.modules():
        names = known.get(type(module).__name__)
        if names is None:
            continue
        linear, function = (getattr(module, name, None) for name in names)
        is_gelu = type(function).__name__ == "GELUActivation" or (
            isinstance(function, nn.GELU) and function.approximate == "none"
        )
        if isinstance(function, nn.Module) and is_gelu and uses[id(linear)] == uses[id(function)] == 1:
            found[id(linear)] = function
    return found
