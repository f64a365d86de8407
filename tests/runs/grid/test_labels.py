from __future__ import annotations

from typing import Any

from deepcuts.runs.grid.labels import label_cells


def cell(**changes: Any) -> dict[str, Any]:
    task = changes.pop("task", "stsb")
    source = {"task": task, "data": None, "train": None if task else "/x/mine.csv"}
    base = {
        "model": "/models/minilm", "data": source, "strategy": "Random", "density": 0.3, "compression": None,
        "sparsity": None, "seed": 0, "shift": 10.0, "learning_rate": 1e-4,
    }  # fmt: skip
    return {**base, **changes}


def test_cells_are_called_by_what_differs_and_by_settings_that_are_not_the_usual_ones() -> None:
    cells = [
        cell(),
        cell(seed=1),
        cell(task=None, learning_rate=5e-5),
        cell(strategy="LayerGradCAMShift", shift=100.0),
        cell(density=None, compression=3.0),
    ]
    assert [str(label) for label in label_cells(cells)] == [
        "stsb Random, density 0.3, seed 0",
        "stsb Random, density 0.3, seed 1",
        "mine Random, density 0.3, seed 0",
        "stsb LayerGradCAMShift shift 100.0, density 0.3, seed 0",
        "stsb Random, compression 3, seed 0",
    ]


def test_what_is_the_same_everywhere_is_left_out_but_for_the_strategy() -> None:
    assert [label.row for label in label_cells([cell(), cell(seed=1)])] == ["Random", "Random"]


def test_models_are_called_by_their_last_name() -> None:
    labels = label_cells([cell(), cell(model="org/large")])
    assert [label.row for label in labels] == ["minilm Random", "large Random"]


def test_every_setting_that_varies_stands_in_every_name_its_default_too() -> None:
    cells = [
        cell(rewind=rewind, learning_rate=rate)
        for rewind in ("finetuned", "pretrained")
        for rate in (1e-4, 5e-5)
    ]
    assert [label.row for label in label_cells(cells)] == [
        "Random learning_rate 0.0001 rewind finetuned",
        "Random learning_rate 5e-05 rewind finetuned",
        "Random learning_rate 0.0001 rewind pretrained",
        "Random learning_rate 5e-05 rewind pretrained",
    ]
    older = [cell(), cell(rewind="finetuned")]  # a configuration that lacks a younger option
    assert [label.row for label in label_cells(older)] == [
        "Random rewind pretrained",
        "Random rewind finetuned",
    ]


def test_cells_that_are_not_the_same_have_other_names() -> None:
    files = [{"task": None, "data": None, "train": f"/{place}/train.csv"} for place in "ab"]
    cells = [
        *(cell(model=model) for model in ("one/base", "two/base")),
        *({**cell(), "data": source} for source in files),
        *(cell(density=density) for density in (0.1234567, 0.1234568)),
    ]
    assert len({str(label) for label in label_cells(cells)}) == len(cells)
