from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import tiny
from pruned_models import pruned_run, random_masks, same_bits
from runs import tiny_model_folder

from deepcuts import Masks, load_pruned
from deepcuts.common.errors import InputError, InvariantError, MismatchError, ModelError
from deepcuts.deploy.export.source import load_source, masks_from_zeros
from deepcuts.models.heads import bound_output


def test_a_run_brings_its_own_masks(tmp_path: Path) -> None:
    run = pruned_run(tmp_path / "run")
    source = load_source(str(run))
    expected = Masks.load(run / "masks.safetensors")
    assert list(source.masks) == list(expected)
    assert all(torch.equal(source.masks[name], expected[name]) for name in expected)
    assert source.tokenizer("the dog")["input_ids"]


def test_of_any_other_model_the_zeros_are_the_masks(tmp_path: Path) -> None:
    run = pruned_run(tmp_path / "run")
    expected = Masks.load(run / "masks.safetensors")
    found = load_source(str(run / "model")).masks
    full = next(iter(expected))
    assert found.keys() == expected.keys() - {full}  # a tensor without zeros was not pruned
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_negative_zero_is_a_value_where_the_zeros_are_the_masks() -> None:
    model = tiny("bert")
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    with torch.no_grad():
        model.get_parameter(name)[0, :2] = torch.tensor([0.0, -0.0])
    masks = masks_from_zeros(model)
    assert list(masks) == [name]
    assert masks[name][0, :2].tolist() == [False, True]
    assert masks.kept == masks.total - 1


def test_a_mask_file_may_be_named(tmp_path: Path) -> None:
    run = pruned_run(tmp_path / "run")
    masks = Masks.load(run / "masks.safetensors")
    found = load_source(str(run / "model"), masks=run / "masks.safetensors").masks
    assert found.kept == masks.kept
    fewer = Masks({name: torch.zeros_like(mask) for name, mask in masks.items()})
    fewer.save(tmp_path / "fewer.safetensors")
    with pytest.raises(InvariantError, match="cut weights"):
        load_source(str(run / "model"), masks=tmp_path / "fewer.safetensors")
    Masks({"nothing": torch.ones(2) > 0}).save(tmp_path / "other.safetensors")
    with pytest.raises(MismatchError, match="another model"):
        load_source(str(run / "model"), masks=tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no such file"):
        load_source(str(run / "model"), masks=tmp_path / "nowhere.safetensors")


def test_a_cut_weight_that_is_negative_zero_becomes_zero(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    model, _ = load_pruned(folder)
    masks = random_masks(model)
    with torch.no_grad():
        for name, mask in masks.items():
            parameter = model.get_parameter(name)
            parameter[~mask] = -0.0
    model.save_pretrained(folder)
    masks.save(tmp_path / "masks.safetensors")
    found = load_source(str(folder), masks=tmp_path / "masks.safetensors")
    for name, mask in masks.items():
        assert not torch.signbit(found.model.get_parameter(name)[~mask]).any()


def test_what_is_not_pruned_is_refused(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    with pytest.raises(InputError, match="it was not pruned"):
        load_source(str(folder))
    with pytest.raises(ModelError, match="no folder"):
        load_source("./nowhere")


def test_a_run_that_kept_no_model_is_refused(tmp_path: Path) -> None:
    import shutil

    run = pruned_run(tmp_path / "run")
    shutil.rmtree(run / "model")
    with pytest.raises(InputError, match="but no model"):
        load_source(str(run))


def test_a_bounded_head_is_bounded_in_every_form(tmp_path: Path) -> None:
    from deepcuts.deploy.export.exporting import export

    run = pruned_run(tmp_path / "run", num_labels=1)
    model, tokenizer = load_pruned(run)
    bound_output(model, 0, 5)
    model.save_pretrained(run / "model")
    batch = tokenizer(["the dog is here", "the cat"], padding=True, return_tensors="pt")
    expected = model(**batch).logits
    for format in ("dense", "sparse", "packed"):
        export(str(run), format, tmp_path / format)
        loaded, _ = load_pruned(tmp_path / format)
        assert torch.equal(loaded(**batch).logits, expected)
        assert same_bits(loaded.state_dict(), model.state_dict())
