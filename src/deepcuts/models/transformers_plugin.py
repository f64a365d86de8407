"""Lets Transformers load and save the sparse format; importing this module registers it.

::

    import deepcuts.models.transformers_plugin
    model = AutoModelForSequenceClassification.from_pretrained("sparse-folder")

The weights are dense in memory, with zeros; the masks stay with the model, in ``model.deepcuts_masks``, so
that ``model.save_pretrained`` writes the same files again. ``model.dequantize()`` forgets them: what is saved
after it is an ordinary dense model.

Registered with Transformers' public `register_quantizer` and `register_quantization_config`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers.core_model_loading import ConversionOps, WeightConverter
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from deepcuts.common.errors import FileFormatError
from deepcuts.masks.bits import TensorBits
from deepcuts.masks.pruned_tensor import PrunedTensor
from deepcuts.models.sparse_checkpoint import (
    CONFIG,
    FORMAT_VERSION,
    LOAD_WITH,
    METHOD,
    check_finite,
    check_settings,
    checked_description,
    checked_values,
    digest,
    encode,
    mask_name,
    read_checked,
    read_config,
    settings_digest,
)

#: The model's attribute that holds its masks: parameter name → `deepcuts.masks.bits.TensorBits`.
ATTRIBUTE = "deepcuts_masks"


@register_quantization_config(METHOD)
class SparseConfig(QuantizationConfigMixin):  # type: ignore[misc, unused-ignore]
    """What ``config.json`` says of a sparse model.

    Args:
        shapes: Parameter name → shape of its pruned tensor.
        digest: `deepcuts.models.sparse_checkpoint.digest` of the file; set whenever the model is saved.
        format: Version of the format.
        load_with: A hint for whoever opens the file without deepcuts.
        config_digest: `deepcuts.models.sparse_checkpoint.settings_digest` of the rest of the configuration;
            set likewise. Empty in files of version 0.1.
        others: What Transformers adds, such as ``quant_method``.
    """

    def __init__(
        self,
        shapes: Mapping[str, Sequence[int]],
        digest: str = "",
        format: int = FORMAT_VERSION,
        load_with: str = LOAD_WITH,
        config_digest: str = "",
        **others: Any,
    ) -> None:
        self.quant_method = METHOD
        self.format = format
        self.load_with = load_with
        self.digest = digest
        self.config_digest = config_digest
        self.shapes = {name: list(shape) for name, shape in shapes.items()}


class _MakeDense(ConversionOps):  # type: ignore[misc, unused-ignore]
    """Values and mask of one tensor → the tensor."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)

    def convert(
        self,
        input_dict: dict[str, Any],
        *,
        source_patterns: list[str],
        full_layer_name: str,
        model: nn.Module,
        **others: Any,
    ) -> dict[str, Tensor]:
        values, bits = (_one(input_dict.get(pattern)) for pattern in source_patterns)
        if values is None:
            raise FileFormatError(f"{full_layer_name!r}: there is a mask, but no values")
        if bits is None:  # a dense tensor, or one whose wrong shape Transformers will report
            return {full_layer_name: values}
        mask = TensorBits(self.shape, bits.cpu().numpy())
        getattr(model, ATTRIBUTE)[full_layer_name] = mask
        return {full_layer_name: PrunedTensor(mask, values).dense()}

    @property
    def reverse_op(self) -> ConversionOps:
        return _LeaveAsIs()


class _LeaveAsIs(ConversionOps):  # type: ignore[misc, unused-ignore]
    """For saving, where the quantizer has taken the tensors apart already, if they were to be."""

    def convert(self, input_dict: dict[str, Any], *, full_layer_name: str, **others: Any) -> dict[str, Any]:
        (tensor,) = input_dict.values()
        return {full_layer_name: tensor}

    @property
    def reverse_op(self) -> ConversionOps:
        return _LeaveAsIs()


@register_quantizer(METHOD)
class SparseQuantizer(HfQuantizer):  # type: ignore[misc, unused-ignore]
    """Takes pruned tensors apart when a model is saved, and puts them together when it is loaded."""

    requires_calibration = True  # a dense model does not become sparse by being loaded

    def get_weight_conversions(self) -> list[WeightConverter]:
        """One conversion for each pruned tensor, by its full name."""
        # Regular expressions; for saving, Transformers makes names of them by dropping the ^, and in some
        # versions nothing else. So neither a $ nor an escape can stand here.
        return [
            WeightConverter([f"^{name}", f"^{mask_name(name)}"], [name], operations=[_MakeDense(shape)])
            for name, shape in self.quantization_config.shapes.items()
        ]

    def _process_model_before_weight_loading(
        self, model: nn.Module, checkpoint_files: Sequence[str] | None = None, **others: Any
    ) -> nn.Module:
        described = checked_description(self.quantization_config.to_dict(), "quantization_config")
        if checkpoint_files:
            beside = Path(checkpoint_files[0]).parent / CONFIG
            if beside.is_file():
                check_settings(read_config(beside), beside)
            # Here, because Transformers keeps the message of what goes wrong in a conversion to itself.
            tensors = read_checked([Path(file) for file in checkpoint_files], described)
            for name in described["shapes"].keys() & tensors.keys():
                check_finite(name, checked_values(tensors[name]))
        setattr(model, ATTRIBUTE, {})
        return model

    def get_state_dict_and_metadata(self, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The tensors as they go into the file; their digest goes into the config, which is saved after this.

        It can't stand among the file's own metadata: safetensors writes several of them in any order, and two
        saves would differ.
        """
        tensors = encode(model.state_dict(), getattr(model, ATTRIBUTE))
        self.quantization_config.digest = digest(tensors, self.quantization_config.shapes)
        config: Any = model.config
        self.quantization_config.config_digest = settings_digest(json.loads(config.to_json_string()))
        return tensors, {}

    def remove_quantization_config(self, model: nn.Module) -> None:
        """Let a model be an ordinary dense one."""
        super().remove_quantization_config(model)
        if hasattr(model, ATTRIBUTE):
            delattr(model, ATTRIBUTE)

    def _dequantize(self, model: Any, dtype: Any = None) -> Any:
        return model

    def is_serializable(self) -> bool:
        """It is what the format is for."""
        return True

    @property
    def is_trainable(self) -> bool:
        """The weights are ordinary ones; the masks must be held (`deepcuts.masked`)."""
        return True

    @property
    def is_qat_trainable(self) -> bool:
        """As `is_trainable`."""
        return True


def make_sparse(model: Any, masks: Mapping[str, TensorBits]) -> None:
    """Let a model's ``save_pretrained`` write the sparse format from now on.

    Args:
        model: A Hugging Face model; its weights are not changed.
        masks: Masks for some of its parameters.
    """
    config = SparseConfig({name: mask.shape for name, mask in masks.items()})
    setattr(model, ATTRIBUTE, dict(masks))
    model.hf_quantizer = SparseQuantizer(config, pre_quantized=True)
    model.config.quantization_config = config


def make_plain(model: Any) -> None:
    """Let a model be an ordinary dense one, if it was of the sparse format."""
    if hasattr(model, ATTRIBUTE):
        model.hf_quantizer.remove_quantization_config(model)


def _one(tensors: Any) -> Tensor | None:
    found: Tensor | None = tensors[0] if isinstance(tensors, list) else tensors
    return found
