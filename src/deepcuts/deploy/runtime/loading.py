"""Load a sparse file for inference without ever holding its dense weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common.errors import FileFormatError
from deepcuts.deploy.runtime.choices import Chooser
from deepcuts.deploy.runtime.conversion import check_options, fused_activations
from deepcuts.deploy.runtime.encoder_layer import use_kernel
from deepcuts.deploy.runtime.kernel import Precision
from deepcuts.deploy.runtime.sparse_linear import SparseLinear
from deepcuts.models.checks import check_config
from deepcuts.models.purpose import complete, model_class
from deepcuts.models.sparse_checkpoint import CONFIG, check_finite, check_settings, read_sparse


def load(
    path: str | Path,
    *,
    precision: Precision = "float32",
    dense_above: float | None = None,
    trust_remote_code: bool = False,
) -> Any:
    """A model for inference on the CPU, from a folder that ``deepcuts export --format sparse`` wrote.

    The weights go from the file into sparse layers as they are, a bit each and the kept values. Only layers
    that are faster dense are made dense.

    Args:
        path: The folder.
        precision: See `deepcuts.deploy.runtime.sparsify`.
        dense_above: Likewise.
        trust_remote_code: Whether code that comes with the model may run.

    Returns:
        The model, in evaluation mode and without gradients; a bounded head is bounded.

    Raises:
        FileFormatError: The folder is of another format, truncated or altered, or for another model.
        InputError: An option has a value that is not allowed.
    """
    from accelerate import init_empty_weights
    from transformers import AutoConfig

    check_options(precision, dense_above)
    checkpoint = read_sparse(path, whole=False)  # a part that lacks or is too much is named before
    held_config = checkpoint.config
    config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
    check_config(str(path), str(path), config)
    del config.quantization_config
    with init_empty_weights(include_buffers=False):
        model = model_class(config).from_config(config, trust_remote_code=trust_remote_code)
    for name, tensor in checkpoint.others.items():
        check_finite(name, tensor)
    tensors = dict(checkpoint.others)
    pruned_tensors = checkpoint.pruned
    del checkpoint  # or what the file holds in another precision would stay beside what is made of it
    fused = fused_activations(model)
    modules = dict(model.named_modules())
    biases = {name: one.dense() for name, one in pruned_tensors.items() if len(one.shape) == 1}
    tensors.update(biases)
    sparse: dict[nn.Module, SparseLinear] = {}
    chooser = Chooser(precision, dense_above)
    for name, pruned in pruned_tensors.items():
        check_finite(name, pruned.values)
        if name in biases:
            continue
        owner, _, own = name.rpartition(".")
        module = modules.get(owner)
        if type(module) is not nn.Linear or own != "weight":
            tensors[name] = pruned.dense()
            continue
        shape = (module.out_features, module.in_features)
        if pruned.shape != shape:
            raise FileFormatError(f"{path}: {name!r} has shape {pruned.shape}, the model needs {shape}")
        density = pruned.mask.kept / pruned.mask.weights
        if not chooser.is_sparse(shape, density, torch.float32):
            tensors[name] = pruned.dense()
            continue
        bits, values = pruned.mask.bits, pruned.values
        if (
            values.dtype is not torch.float32
        ):  # a view would keep all of the file, of which nothing else is left
            bits, values = bits.copy(), values.clone()
        sparse[module] = SparseLinear.from_parts(
            bits,
            values,
            shape,
            tensors.pop(f"{owner}.bias", None),
            precision=precision,
            activation="gelu" if id(module) in fused else None,
        )
    _fill(model, tensors, path)
    taken = {id(fused[id(module)]) for module in sparse if id(module) in fused}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child in sparse:
                setattr(parent, name, sparse[child])
            elif id(child) in taken:
                setattr(parent, name, nn.Identity())
    left = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if left:
        raise FileFormatError(f"{path}: holds no {left[0]!r}, which the model needs")
    check_settings(held_config, Path(path) / CONFIG)
    complete(model)
    ready: Any = model.eval().requires_grad_(False)
    chooser.note(ready, use_kernel(ready, precision, measure=dense_above is None))
    return ready


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Put tensors in the place of the model's empty ones, in float32 whatever the file's precision."""
    for name, value in tensors.items():
        if value.is_floating_point():
            tensors[name] = value.float()
    try:
        unexpected = model.load_state_dict(tensors, strict=False, assign=True).unexpected_keys
    except RuntimeError as error:
        raise FileFormatError(f"{path}: is for another model ({error})") from None
    if unexpected:
        raise FileFormatError(f"{path}: holds {unexpected[0]!r}, which the model does not have")
