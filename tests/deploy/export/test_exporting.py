from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from pruned_models import pruned_run, same_bits
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from deepcuts import Masks, apply_masks, load_pruned, prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.deploy.export.exporting import export
from deepcuts.deploy.export.folders import save_sparse
from deepcuts.deploy.export.formats import all_formats
from deepcuts.deploy.export.packed_file import pack
from deepcuts.deploy.export.sizes import bytes_on_disk, least_sizes, packed_sizes, sparse_sizes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pruned_run(tmp_path_factory.mktemp("formats") / "run")


@pytest.mark.parametrize("first", ["dense", "sparse", "packed"])
@pytest.mark.parametrize("second", ["dense", "sparse", "packed"])
def test_any_form_is_exported_into_any_other_bit_for_bit(
    run: Path, tmp_path: Path, first: str, second: str
) -> None:
    expected = load_pruned(run)[0].state_dict()
    export(str(run), first, tmp_path / "first")
    made = export(str(tmp_path / "first"), second, tmp_path / "second")
    assert same_bits(load_pruned(tmp_path / "second")[0].state_dict(), expected)
    assert made.written.total == bytes_on_disk(tmp_path / "second")


def test_a_packed_model_unpacks_to_the_sparse_folder(run: Path, tmp_path: Path) -> None:
    export(str(run), "sparse", tmp_path / "sparse")
    export(str(run), "packed", tmp_path / "packed")
    export(str(tmp_path / "packed"), "sparse", tmp_path / "again")
    for path in (tmp_path / "sparse").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_dense_loads_without_anything_of_ours(run: Path, tmp_path: Path) -> None:
    export(str(run), "sparse", tmp_path / "sparse")
    export(str(tmp_path / "sparse"), "dense", tmp_path / "dense")
    assert "quantization_config" not in json.loads((tmp_path / "dense" / "config.json").read_text())
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "dense")
    assert same_bits(loaded.state_dict(), load_pruned(run)[0].state_dict())


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("format", ["dense", "sparse", "packed"])
def test_half_precision(run: Path, tmp_path: Path, dtype: str, format: str) -> None:
    wanted = {"fp16": torch.float16, "bf16": torch.bfloat16}[dtype]
    made = export(str(run), format, tmp_path / "half", dtype=dtype)
    loaded, _ = load_pruned(tmp_path / "half")
    expected = {name: tensor.to(wanted).float() for name, tensor in load_pruned(run)[0].state_dict().items()}
    assert same_bits(loaded.state_dict(), expected)
    masks = Masks.load(run / "masks.safetensors")
    assert made.least.values == 2 * masks.kept
    assert made.density == masks.density
    again = export(str(tmp_path / "half"), "sparse", tmp_path / "again")  # the type stays as it is
    assert again.written.values == 2 * again.least.values // 2
    assert json.loads((tmp_path / "again" / "config.json").read_text())["dtype"] == str(wanted)[6:]


def test_sizes_by_hand(run: Path, tmp_path: Path) -> None:
    masks = Masks.load(run / "masks.safetensors")
    model = load_pruned(run)[0]
    made = export(str(run), "sparse", tmp_path / "sparse")
    every = sum(parameter.numel() for parameter in model.parameters())
    assert made.dense.total == 4 * every
    assert made.dense.values == 4 * masks.total
    assert made.written.masks == sum(math.ceil(mask.numel() / 8) for mask in masks.values())
    assert made.written.values == made.least.values == 4 * masks.kept
    assert made.written.others == made.least.others == made.dense.others == 4 * (every - masks.total)
    parts = (made.written.masks, made.written.values, made.written.others, made.written.rest)
    assert sum(parts) == made.written.total
    bits = 0.0
    for name, kept in masks.kept_by_tensor.items():
        share = kept / masks[name].numel()
        if 0 < share < 1:
            bits -= masks[name].numel() * (share * math.log2(share) + (1 - share) * math.log2(1 - share))
    assert made.least.masks == math.ceil(bits / 8)


def test_what_is_wrong_is_refused_before_anything_is_loaded(run: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for arguments, message in [
        ({"format": "gguf"}, r"format: got 'gguf', but it must be one of dense, .*sparse"),
        ({"dtype": "int8"}, "dtype: got 'int8'"),
        ({"output": tmp_path / "there"}, "exists already"),
        ({"format": "onnx", "dtype": "fp16"}, "dtype: got 'fp16', but it must be fp32"),
        ({"format": "openvino", "dtype": "bf16"}, "dtype: got 'bf16', but it must be fp32"),
    ]:
        given = {"format": "sparse", "output": tmp_path / "new", **arguments}
        with pytest.raises(InputError, match=message):
            export("./nowhere", **given)
    assert not (tmp_path / "new").exists()
    assert all(one.help for one in all_formats().values())


def test_a_model_of_the_size_of_minilm_takes_little_more_than_its_parts(tmp_path: Path) -> None:
    """22.7 million parameters, random weights and masks of density 0.15."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(
            BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
        ).eval()
        masks = Masks(
            {
                name: torch.rand(parameter.shape) < 0.15
                for name, parameter in prunable_parameters(model).items()
            }
        )
    assert 22.6e6 < sum(parameter.numel() for parameter in model.parameters()) < 22.8e6
    apply_masks(model, masks)
    save_sparse(model, masks, tmp_path / "sparse")
    pack(tmp_path / "sparse", tmp_path / "packed")
    sparse, packed, least = (
        sparse_sizes(tmp_path / "sparse"),
        packed_sizes(tmp_path / "packed"),
        least_sizes(model, masks),
    )
    pruned_parts = masks.total / 8 + 4 * masks.kept
    assert sparse.total - sparse.others < 1.05 * pruned_parts
    assert 0.99 * least.masks < packed.masks < 1.05 * least.masks
    assert packed.values < least.values
    assert packed.total < least.total < sparse.total
