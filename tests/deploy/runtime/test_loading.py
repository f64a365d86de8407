from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import data_config, job
from transformers import AutoModelForSequenceClassification

from deepcuts import load_pruned
from deepcuts.common.errors import FileFormatError, InputError
from deepcuts.deploy import runtime
from deepcuts.deploy.export.exporting import export
from deepcuts.deploy.runtime import SparseLinear
from deepcuts.runs.pipeline import prune


@pytest.fixture(scope="module", params=["classes", "number"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    source = data_config(home, regression=request.param == "number")
    prune(job(home, source, finetune_epochs=1, retrain_epochs=1), home / "run")
    export(str(home / "run"), "sparse", home / "sparse")
    return home / "sparse"


def outputs(model: Any, tokenizer: Any) -> torch.Tensor:
    batch = tokenizer(["the dog is here", "the cat is not away and home"], padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits


@pytest.mark.parametrize("dense_above", [None, 0.0, 0.25, 1.0])
def test_a_loaded_model_says_what_the_dense_one_says(folder: Path, dense_above: float | None) -> None:
    dense, tokenizer = load_pruned(folder)
    model = runtime.load(folder, dense_above=dense_above)
    assert not model.training
    torch.testing.assert_close(outputs(model, tokenizer), outputs(dense, tokenizer), rtol=1e-4, atol=1e-5)
    count = sum(isinstance(module, SparseLinear) for module in model.modules())
    if dense_above == 0.0:
        assert count == 0
    if dense_above == 1.0:
        assert count == sum(1 for name in dict(dense.named_parameters()) if _is_pruned(folder, name))
        assert not any(
            isinstance(module, torch.nn.GELU) or type(module).__name__ == "GELUActivation"
            for module in model.modules()
        )


def test_a_file_of_lower_precision_is_computed_in_float32(folder: Path, tmp_path: Path) -> None:
    export(str(folder.parent / "run"), "sparse", tmp_path / "half", dtype="bf16")
    dense, tokenizer = load_pruned(tmp_path / "half")
    model = runtime.load(tmp_path / "half", dense_above=0.5)
    assert outputs(model, tokenizer).dtype is torch.float32
    torch.testing.assert_close(outputs(model, tokenizer), outputs(dense, tokenizer), rtol=1e-4, atol=1e-5)


def _is_pruned(folder: Path, name: str) -> bool:
    shapes = json.loads((folder / "config.json").read_text())["quantization_config"]["shapes"]
    return name in shapes and len(shapes[name]) == 2


def test_dense_weights_are_never_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deepcuts.masks.pruned_tensor import PrunedTensor

    original = PrunedTensor.dense

    def only_vectors(self: PrunedTensor) -> torch.Tensor:
        assert len(self.shape) == 1
        return original(self)

    monkeypatch.setattr(PrunedTensor, "dense", only_vectors)
    model = runtime.load(folder, dense_above=1.0)
    assert not any(
        isinstance(module, torch.nn.Linear) and module.weight.numel() > 100 for module in model.modules()
    )


def test_what_is_no_sparse_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError):
        runtime.load(folder.parent / "run" / "model")
    with pytest.raises(InputError, match="dense_above: got 2"):
        runtime.load(folder, dense_above=2)
    with pytest.raises(InputError, match="precision: got 'int4'"):
        runtime.load(folder, precision="int4")  # type: ignore[arg-type]
    other = AutoModelForSequenceClassification.from_pretrained(folder.parent / "run" / "model").config
    other.num_hidden_layers += 1
    other.quantization_config = json.loads((folder / "config.json").read_text())["quantization_config"]
    other.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(FileFormatError, match="which the model needs"):
        runtime.load(tmp_path)
