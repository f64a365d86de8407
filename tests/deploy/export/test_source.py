from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pruned_models import pruned_run, random_masks, same_bits
from runs import tiny_model_folder
from torch.nn.utils import prune

from deepcuts import Masks, load_pruned
from deepcuts.common.errors import InputError, InvariantError, MismatchError, ModelError
from deepcuts.deploy.export.exporting import export
from deepcuts.deploy.export.source import load_source, masks_from_zeros
from deepcuts.masks.torch_prune import from_torch_prune
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


def test_what_torch_prune_leaves_behind_is_zero_whatever_its_sign(tmp_path: Path) -> None:
    """0 · w is −0 for every w below 0: of a tenth that is kept, an export kept half."""
    folder = tiny_model_folder(tmp_path / "model")
    model, _ = load_pruned(folder)
    linear = model.get_submodule("bert.encoder.layer.0.intermediate.dense")
    prune.l1_unstructured(linear, "weight", amount=0.9)  # type: ignore[no-untyped-call]
    expected = from_torch_prune(model)
    prune.remove(linear, "weight")  # type: ignore[no-untyped-call]
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    assert torch.signbit(model.get_parameter(name)[~expected[name]]).any()
    assert masks_from_zeros(model) == expected
    model.save_pretrained(folder)
    for format in ("dense", "sparse", "packed"):
        made = export(str(folder), format, tmp_path / format)
        assert made.density == pytest.approx(0.1, abs=0.002)
        found = load_source(str(tmp_path / format))
        assert found.masks == expected
        assert not torch.signbit(found.model.get_parameter(name)[~expected[name]]).any()


def test_a_mask_may_say_that_a_zero_is_kept(tmp_path: Path) -> None:
    run = pruned_run(tmp_path / "run")
    masks = Masks.load(run / "masks.safetensors")
    model, _ = load_pruned(run)
    name = next(name for name, mask in masks.items() if 1 < mask.count_nonzero() < mask.numel())
    with torch.no_grad():
        places = masks[name].nonzero()[:2].T
        model.get_parameter(name)[tuple(places)] = torch.tensor([0.0, -0.0])
    model.save_pretrained(run / "model")
    assert load_source(str(run)).masks == masks
    export(str(run), "packed", tmp_path / "packed")
    found = load_source(str(tmp_path / "packed"))
    assert found.masks == masks
    assert torch.signbit(found.model.get_parameter(name)[tuple(places)]).tolist() == [False, True]


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
