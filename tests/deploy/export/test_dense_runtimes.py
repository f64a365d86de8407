from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_models import pruned_run

from deepcuts import load_pruned
from deepcuts.common.errors import InputError, InvariantError
from deepcuts.deploy.export import dense_runtimes
from deepcuts.deploy.export.dense_runtimes import EXTRAS, check_installed
from deepcuts.deploy.export.exporting import export
from deepcuts.models.heads import bound_output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a bounded head, which goes into the exported model."""
    run = pruned_run(tmp_path_factory.mktemp("runtimes") / "run", num_labels=1)
    model, _ = load_pruned(run)
    bound_output(model, 0, 5)
    model.save_pretrained(run / "model")
    return run


def need(extra: str) -> None:
    for package in EXTRAS[extra]:
        pytest.importorskip(package)


def batch_and_logits(run: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A batch of a shape that the export did not see."""
    model, tokenizer = load_pruned(run)
    batch = tokenizer(["the dog is not here", "the cat", "the fox is away", "the hen"], padding=True)
    tensors = {name: torch.tensor(values) for name, values in batch.items()}
    with torch.no_grad():
        return {name: tensor.numpy() for name, tensor in tensors.items()}, model(**tensors).logits.numpy()


def test_onnx_runtime_computes_what_pytorch_does(run: Path, tmp_path: Path) -> None:
    need("onnx")
    import onnxruntime

    made = export(str(run), "onnx", tmp_path / "onnx")
    assert "no faster" in " ".join(made.notes)
    batch, expected = batch_and_logits(run)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    assert {given.name for given in session.get_inputs()} == batch.keys()
    np.testing.assert_allclose(session.run(None, batch)[0], expected, rtol=1e-5)
    assert (tmp_path / "onnx" / "tokenizer.json").is_file()


def test_openvino_computes_what_pytorch_does(run: Path, tmp_path: Path) -> None:
    need("openvino")
    import openvino

    export(str(run), "openvino", tmp_path / "openvino")
    batch, expected = batch_and_logits(run)
    compiled = openvino.Core().compile_model(
        tmp_path / "openvino" / "openvino_model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    np.testing.assert_allclose(compiled(batch)[0], expected, rtol=1e-5)
    assert (tmp_path / "openvino" / "config.json").is_file()


def test_outputs_that_differ_are_an_error_and_leave_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("onnx")
    monkeypatch.setattr(dense_runtimes, "TOLERANCE", -1.0)
    with pytest.raises(InvariantError, match="ONNX Runtime and PyTorch differ by"):
        export(str(run), "onnx", tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_package_is_named_with_its_extra(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, EXTRAS[extra][-1], None)
    with pytest.raises(InputError, match=rf"pip install 'deepcuts\[{extra}\]'"):
        check_installed(extra)
    with pytest.raises(InputError, match="needs the extra"):
        export("./nowhere", extra, tmp_path / "out")
