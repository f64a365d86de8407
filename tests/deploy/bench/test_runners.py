"""Every way to run a model says what the model says, with a bounded head too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_models import pruned_run

from deepcuts import load_pruned
from deepcuts.common.errors import DeepcutsError, InputError
from deepcuts.deploy.bench.forms import (
    DENSE_BF16,
    DENSE_FP32,
    ONNX,
    OPENVINO,
    SPARSE_BF16,
    SPARSE_FP32,
    Files,
    Form,
)
from deepcuts.deploy.bench.shape import Shape
from deepcuts.deploy.bench.subject import Subject, load_subject
from deepcuts.deploy.bench.ways import REFERENCE, REGISTRY, Setting, check_names, chosen, registry
from deepcuts.deploy.runtime import SparseLinear, choices, loading, sparsify
from deepcuts.models.heads import bound_output

# Largest difference of outputs between 0 and 5, by what a way rounds.
TOLERANCES = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.5}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A run whose head is bounded by 0 and 5."""
    run = pruned_run(tmp_path_factory.mktemp("subject") / "run", num_labels=1, num_hidden_layers=1)
    model, _ = load_pruned(run)
    bound_output(model, 0, 5)
    model.save_pretrained(run / "model")
    return load_subject(str(run))


@pytest.fixture(scope="module")
def files(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(subject, tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("name", [name for name, one in REGISTRY.items() if "cpu" in one.devices])
def test_outputs_are_the_models(
    name: str, subject: Subject, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = REGISTRY[name]
    if way.missing() is not None:
        pytest.skip(way.missing())
    monkeypatch.setattr(choices, "break_even", lambda *_: 1.0)  # here every layer is sparse
    run = way.load(files.folder(way.form), Setting("cpu", 1))
    assert not run.notes
    for shape in (Shape(3, 9), Shape(1, 5)):
        batch = subject.batch(shape)
        batch["attention_mask"][-1, 3:] = 0  # padding
        with torch.no_grad():
            tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
            expected = subject.model(**tensors).logits.numpy()
        found = run(batch)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        assert 0 <= found.min() <= found.max() <= 5
        np.testing.assert_allclose(found, expected, atol=TOLERANCES[name.rpartition("-")[2]])


def test_files_are_as_large_as_their_numbers(subject: Subject, files: Files) -> None:
    parameters = sum(parameter.numel() for parameter in subject.model.parameters())
    assert files.bytes(DENSE_FP32) - files.bytes(DENSE_BF16) == pytest.approx(2 * parameters, rel=0.01)
    # Of such small weights the sparse format says more than it saves, so only what is counted is looked at.
    for form in (DENSE_FP32, SPARSE_FP32):
        folder = files.folder(form)
        assert files.bytes(form) == sum(path.stat().st_size for path in folder.iterdir())
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
            one.name for one in folder.iterdir()
        }


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_sparse_ways_are_built_as_sparsify_builds_them(
    precision: str, subject: Subject, files: Files
) -> None:
    """Loaded from their file, they have the same modules as `sparsify` makes: what it fuses is fused."""
    form = {"float32": SPARSE_FP32, "bfloat16": SPARSE_BF16}[precision]
    loaded = loading.load(files.folder(form), precision=precision, dense_above=0.9)  # type: ignore[arg-type]
    made = sparsify(subject.model, precision=precision, dense_above=0.9)  # type: ignore[arg-type]
    kinds = [{name: type(one).__name__ for name, one in model.named_modules()} for model in (loaded, made)]
    assert kinds[0] == kinds[1]
    assert SparseLinear.__name__ in kinds[0].values()


def test_that_no_layer_is_sparse_is_said(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "break_even", lambda *_: -1.0)
    run = REGISTRY["sparse-fp32"].load(files.folder(SPARSE_FP32), Setting("cpu", 1))
    assert run.notes == ("every layer is faster dense on this machine, so none is sparse",)


def test_batches_are_words_without_padding_and_no_longer_than_the_model_takes(subject: Subject) -> None:
    batch = subject.batch(Shape(3, 20))
    assert {values.shape for values in batch.values()} == {(3, 20)}
    assert not np.isin(batch["input_ids"], subject.tokenizer.all_special_ids).any()
    assert batch["attention_mask"].all()
    assert subject.most_tokens == 24
    with pytest.raises(InputError, match="shape: got '1x25', but this model takes 24 tokens at most"):
        subject.batch(Shape(1, 25))


def test_a_model_that_was_not_pruned_has_no_sparse_file(subject: Subject, tmp_path: Path) -> None:
    with torch.no_grad():
        model, tokenizer = subject.model, subject.tokenizer
        full = type(model)(model.config)
        for parameter in full.parameters():
            parameter.fill_(0.5)
    full.save_pretrained(tmp_path / "full")
    tokenizer.save_pretrained(tmp_path / "full")
    loaded = load_subject(str(tmp_path / "full"))
    assert loaded.masks is None
    with pytest.raises(DeepcutsError, match="none of its weights is 0"):
        Files(loaded, tmp_path).folder(SPARSE_FP32)


def test_a_form_that_failed_is_not_tried_again(subject: Subject, tmp_path: Path) -> None:
    tries: list[int] = []

    def write(*_: object) -> None:
        tries.append(1)
        raise DeepcutsError("cannot be exported")

    files = Files(subject, tmp_path)
    for form in (Form("onnx", write), ONNX, REGISTRY["onnx-int8"].form, OPENVINO):
        with pytest.raises((DeepcutsError, ImportError)):
            files.folder(form)
    assert tries == [1]


def test_ways_are_chosen_by_name_and_device() -> None:
    assert [one.name for one in chosen([], "cuda")] == [REFERENCE, "dense-bf16", "dense-bf16-graphs"]
    assert [one.name for one in chosen(["sparse-bf16"], "cpu")] == [REFERENCE, "sparse-bf16"]
    with pytest.raises(InputError, match=r"only: got 'sparse', .*allowed are dense-fp32, dense-bf16, onnx"):
        chosen(["sparse"], "cpu")
    with pytest.raises(
        InputError, match=r"only: got 'nothing', but it must be one of dense-fp32, .*sparse-bf16"
    ):
        check_names(["dense-bf16", "nothing"])
    with pytest.raises(InputError, match="zeros do not help on a GPU"):
        chosen(["sparse-fp32"], "cuda")


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = registry.without("onnx", "numpy", "no_such_package_as_this")
    assert found() == "it needs no_such_package_as_this: pip install 'deepcuts[onnx]'"
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"only: got 'onnx-int8', but it needs .*deepcuts\[onnx\]"):
        chosen(["onnx-int8"], "cpu")


def test_a_process_for_another_runtime_does_not_load_torch() -> None:
    code = "import sys, deepcuts.deploy.bench.one_process; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
