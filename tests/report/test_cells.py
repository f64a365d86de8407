"""Cells are read as they are; made-up ones have the format of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from runs import job
from safetensors import safe_open
from stores import configure, key_of, shapes, write_cell

from deepcuts.common.errors import FileFormatError
from deepcuts.common.store import Store
from deepcuts.report.cells import is_control, load_cell, options_of_scores, strategy_order
from deepcuts.runs.grid.records import read_cell
from deepcuts.runs.grid.work import run_cell


def form(value: Any) -> Any:
    """The names and types in a JSON value, without the values; None is of any type."""
    if isinstance(value, dict):
        return {name: form(part) for name, part in value.items()}
    return type(value)


def alike(one: Any, other: Any, path: str = "") -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), path
        for name in one:
            alike(one[name], other[name], f"{path}/{name}")
    else:
        assert type(None) in (one, other) or one is other, path


@pytest.mark.parametrize("strategy", ["LayerSmoothGradCAMShift", "Random"])
def test_made_up_cells_have_the_format_of_real_ones(tmp_path: Path, strategy: str) -> None:
    """What every test of reports stands on: they differ from a cell of the pipeline in values alone."""
    made = job(tmp_path, strategy=strategy, finetune_epochs=1, retrain_epochs=1)
    real = run_cell(made, Store(tmp_path / "real", made.processes))
    config = configure("cola", strategy, 0.3, 0)
    fake = write_cell(tmp_path / "fake", config)
    for name in ("config.json", "environment.json", "result.json"):
        one, other = (json.loads((folder / name).read_text()) for folder in (real, fake))
        if name == "result.json":
            for content in (one, other):
                content["kept"]["by_tensor"] = type(content["kept"]["by_tensor"])
                assert content["format"] == one["format"]
        alike(form(one), form(other), name)
    for name in ("predictions.safetensors", "masks.safetensors"):
        with safe_open(real / name, "np") as one, safe_open(fake / name, "np") as other:
            assert list(one.keys()) == list(other.keys())
            for key in one.keys():  # noqa: SIM118
                first, second = one.get_tensor(key), other.get_tensor(key)
                assert (first.dtype, first.shape[1:]) == (second.dtype, second.shape[1:])
    record = read_cell(
        tmp_path / "real", real.name.removeprefix("cell-"), made.config.model_dump(mode="json")
    )
    cell = load_cell(record)
    assert cell.result is not None
    # What a report takes for the options that a strategy reads is what the pipeline says that it read.
    said = cell.result["scoring"]
    names = {
        "score_batches": "max_batches",
        "smooth_batches": "max_smooth_batches",
        "score_precision": "precision",
        "score_compile": "compile",
    }
    for name, value in cell.options.items():
        assert said.get(names.get(name, name), said["batch_size"]) == value


def test_only_options_that_a_strategy_reads_count() -> None:
    names = {
        strategy: set(options_of_scores(configure("stsb", strategy, 0.5, 0)))
        for strategy in ("LayerMagWeight", "LayerMagGrad", "GlobalGradCAMShift", "LayerSmoothGrad", "Random")
    }
    assert names["LayerMagWeight"] == names["Random"] == set()
    assert names["LayerMagGrad"] == {
        "score_batches",
        "score_batch_size",
        "score_precision",
        "score_compile",
        "dropout",
        "explain",
    }
    assert names["GlobalGradCAMShift"] == names["LayerMagGrad"] | {"shift", "padding"}
    smooth = {
        "smooth_batches",
        "score_batch_size",
        "score_precision",
        "dropout",
        "explain",
        "noise_std",
        "paths",
    }
    assert names["LayerSmoothGrad"] == smooth


def test_controls_come_last_and_the_paper_s_strategies_in_its_order() -> None:
    names = ["Random", "InvertedLayerMagGrad", "GlobalMagGrad", "LayerSmoothGrad", "GlobalMagWeight"]
    assert sorted(names, key=strategy_order) == [
        "GlobalMagWeight", "LayerSmoothGrad", "GlobalMagGrad", "InvertedLayerMagGrad", "Random",
    ]  # fmt: skip
    assert [is_control(name) for name in names] == [True, True, False, False, False]


def test_a_result_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    config = configure("cola", "Random", 0.3, 0)
    folder = write_cell(tmp_path, config, tensors=shapes(1))
    result = json.loads((folder / "result.json").read_text())
    for text, message in [
        ("{", "can't be read"),
        (json.dumps({**result, "format": 1}), "format 1"),
    ]:
        (folder / "result.json").write_text(text)
        with pytest.raises(FileFormatError, match=message):
            load_cell(read_cell(tmp_path, key_of(config), config))
