"""The sparse format through Transformers: loaded, saved again, and never loaded wrongly without deepcuts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from models import tiny_batches
from pruned_models import pruned_run, same_bits, tiny_pruned
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification

import deepcuts.models.transformers_plugin as plugin
from deepcuts import load_pruned
from deepcuts.architectures.parameters import ARCHITECTURES
from deepcuts.common.errors import FileFormatError, InvariantError
from deepcuts.deploy.export.exporting import export
from deepcuts.deploy.export.folders import save_dense, save_sparse
from deepcuts.models.loading import load_encoder, load_for_task
from deepcuts.models.sparse_checkpoint import read_sparse
from deepcuts.tasks import named_tasks


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sparse") / "model"
    model, masks = tiny_pruned()
    save_sparse(model, masks, folder)
    return folder


def load(folder: Path, **options: object) -> torch.nn.Module:
    return AutoModelForSequenceClassification.from_pretrained(folder, **options)


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_a_model_comes_back_bit_for_bit_and_a_second_save_is_the_same(
    tmp_path: Path, model_type: str
) -> None:
    model, masks = tiny_pruned(model_type)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_sparse(model, masks, tmp_path / "first")
    assert same_bits(model.state_dict(), before)
    assert not hasattr(model.config, "quantization_config")
    loaded = load(tmp_path / "first")
    assert same_bits(loaded.state_dict(), before)
    batch = {name: tensor for name, tensor in tiny_batches(model)[0].items() if name != "labels"}
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)
    loaded.save_pretrained(tmp_path / "second")
    load(tmp_path / "second").save_pretrained(tmp_path / "third")
    for name in ("config.json", "model.safetensors"):
        content = (tmp_path / "first" / name).read_bytes()
        assert (tmp_path / "second" / name).read_bytes() == content, name
        assert (tmp_path / "third" / name).read_bytes() == content, name


def test_a_kept_weight_that_is_0_stays_kept(saved: Path) -> None:
    _, masks = tiny_pruned()
    loaded = load(saved)
    first = next(iter(masks))
    assert loaded.get_parameter(first).view(-1)[:2].tolist() == [0.0, 0.0]
    assert loaded.deepcuts_masks[first].kept == masks[first].numel()
    assert read_sparse(saved).pruned[first].values.numel() == masks[first].numel()


def test_what_was_trained_with_the_masks_held_is_saved_sparse_with_its_new_values(
    saved: Path, tmp_path: Path
) -> None:
    from deepcuts import Masks, masked
    from deepcuts.masks.bits import MaskBits

    model = load(saved)
    masks = Masks.from_bits(MaskBits(model.deepcuts_masks))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    with masked(model, masks, optimizer):
        model(**tiny_batches(model)[0]).loss.backward()
        optimizer.step()
    model.save_pretrained(tmp_path / "trained")
    assert same_bits(load(tmp_path / "trained").state_dict(), model.state_dict())
    assert not same_bits(load(saved).state_dict(), model.state_dict())


def test_a_model_that_lost_its_zeros_is_not_saved_sparse(saved: Path, tmp_path: Path) -> None:
    model = load(saved)
    with torch.no_grad():
        model.get_parameter("bert.encoder.layer.0.intermediate.dense.weight").add_(1)
    with pytest.raises(InvariantError, match=r"intermediate.*not 0"):
        model.save_pretrained(tmp_path / "again")


def test_dequantized_it_is_an_ordinary_model(saved: Path, tmp_path: Path) -> None:
    model = load(saved).dequantize()
    model.save_pretrained(tmp_path / "dense")
    expected, _ = tiny_pruned()
    assert load_file(tmp_path / "dense" / "model.safetensors").keys() == expected.state_dict().keys()
    assert "quantization_config" not in json.loads((tmp_path / "dense" / "config.json").read_text())
    assert same_bits(load(tmp_path / "dense").state_dict(), expected.state_dict())


def test_the_encoder_alone_and_another_type_are_loaded_too(saved: Path) -> None:
    expected, _ = tiny_pruned()
    assert same_bits(AutoModel.from_pretrained(saved).state_dict(), expected.bert.state_dict())
    half = load(saved, dtype=torch.bfloat16)
    assert same_bits(
        {name: tensor.float() for name, tensor in half.state_dict().items()},
        {name: tensor.bfloat16().float() for name, tensor in expected.state_dict().items()},
    )


def test_our_own_loaders_give_a_plain_model(saved: Path, tmp_path: Path) -> None:
    model = load_encoder(str(saved))
    save_dense(model, tmp_path / "dense")
    assert "quantization_config" not in json.loads((tmp_path / "dense" / "config.json").read_text())
    assert same_bits(load(tmp_path / "dense").state_dict(), tiny_pruned()[0].state_dict())


def test_a_pruned_model_may_be_the_start_of_another_run(tmp_path: Path) -> None:
    """A head of another task is left out, and what is saved then is dense."""
    run = pruned_run(tmp_path / "run", num_labels=5)
    export(str(run), "sparse", tmp_path / "sparse")
    expected, _ = load_pruned(run)
    model, _ = load_for_task(str(tmp_path / "sparse"), named_tasks()["sst2"], seed=0)
    assert model.config.num_labels == 2
    assert same_bits(model.bert.state_dict(), expected.bert.state_dict())
    model.save_pretrained(tmp_path / "dense")
    assert "quantization_config" not in json.loads((tmp_path / "dense" / "config.json").read_text())


def test_many_files_are_checked_together(saved: Path, tmp_path: Path) -> None:
    model = load(saved)
    model.save_pretrained(tmp_path / "shards", max_shard_size="4KB")
    shards = sorted((tmp_path / "shards").glob("model-*.safetensors"))
    assert len(shards) > 1
    assert same_bits(load(tmp_path / "shards").state_dict(), model.state_dict())
    tensors = load_file(shards[0])
    next(iter(tensors.values())).view(torch.uint8).view(-1)[0] ^= 1
    save_file(tensors, shards[0], {"format": "pt"})
    with pytest.raises(FileFormatError, match="digest"):
        load(tmp_path / "shards")


def test_a_damaged_file_is_refused_by_transformers_too(saved: Path, tmp_path: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    tensors["classifier.weight"].view(-1)[0] += 1
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(FileFormatError, match="altered"):
        load(tmp_path)


def test_a_dense_model_does_not_become_sparse_by_being_loaded(tmp_path: Path) -> None:
    save_dense(tiny_pruned()[0], tmp_path / "dense")
    with pytest.raises(ValueError, match="pre-quantized"):
        load(tmp_path / "dense", quantization_config=plugin.SparseConfig({}))


WITHOUT_DEEPCUTS = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "deepcuts":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
import transformers

for loader in (transformers.AutoModelForSequenceClassification, transformers.BertForSequenceClassification,
               transformers.AutoModel, transformers.BertForMaskedLM):
    try:
        loader.from_pretrained(sys.argv[1])
        print("loaded")
    except RuntimeError as error:
        print("refused")
assert "deepcuts" not in sys.modules
try:
    import deepcuts
except ModuleNotFoundError:
    print("no deepcuts")
"""


def test_without_deepcuts_transformers_refuses_the_file(saved: Path) -> None:
    """Else it would compute with random weights, after a warning."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DEEPCUTS, str(saved)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:5] == ["refused"] * 4 + ["no deepcuts"]
    assert "deepcuts-sparse" in done.stderr  # Transformers names the format it does not know


def test_its_config_says_what_loads_it(saved: Path) -> None:
    described = json.loads((saved / "config.json").read_text())["quantization_config"]
    assert "import deepcuts.transformers_plugin" in described["load_with"]
