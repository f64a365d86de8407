from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import deepcuts
from pruned_models import pruned_run
from transformers import AutoModelForSequenceClassification

from deepcuts import Masks
from deepcuts.cli.inspect import counts_by_layer
from deepcuts.deploy.export.exporting import export


def test_weights_are_counted_by_numbered_layer_or_by_module() -> None:
    yes, no = torch.tensor([True]), torch.tensor([False, True, True])
    masks = Masks(
        {"encoder.layer.0.a.weight": no, "encoder.layer.0.a.bias": yes, "encoder.layer.11.b.weight": ~no,
         "pooler.dense.weight": no, "pooler.dense.bias": yes, "bare": yes, "3.weight": no}
    )  # fmt: skip
    assert counts_by_layer(masks) == {
        "layer 0": (4, 3), "layer 11": (3, 1), "pooler.dense": (4, 3), "bare": (1, 1), "layer 3": (3, 2)
    }  # fmt: skip


@pytest.mark.parametrize("form", ["run", "plain folder", "dense", "sparse", "packed"])
def test_a_saved_model_of_any_form_is_shown(tmp_path: Path, form: str) -> None:
    run = pruned_run(tmp_path / "run")
    masks = Masks.load(run / "masks.safetensors")
    path = {"run": run, "plain folder": run / "model"}.get(form, tmp_path / "out")
    if path == tmp_path / "out":
        export(str(run), form, path)
    done = deepcuts("inspect", path)
    assert done.returncode == 0, done.stderr
    for name, kept in masks.kept_by_tensor.items():
        row = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == [name])
        assert row[1:3] == [f"{masks[name].numel():,}", f"{kept:,}"], name
        assert int(row[4].replace(",", "")) == masks[name].numel() - kept
    if form != "run":
        model = AutoModelForSequenceClassification.from_pretrained(run / "model")
        total, zeros = model.num_parameters(), sum(int((one == 0).sum()) for one in model.parameters())
        assert f"{total:,} parameters in all, {zeros:,} of them 0" in done.stdout


def test_what_is_no_model_and_no_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"nothing")
    for path in (tmp_path, tmp_path / "file", tmp_path / "nothing"):
        done = deepcuts("inspect", path)
        assert (done.returncode, done.stdout) == (2, "")
