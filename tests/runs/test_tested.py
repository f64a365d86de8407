"""Test rows: measured once for the dense and the pruned model, and nothing else depends on them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import deepcuts
from grids import run_inline, worklist_of, write_grid_file
from runs import data_config, job, rows, tiny_model_folder, write_csv

from deepcuts.common import tensor_file
from deepcuts.common.errors import DataError
from deepcuts.models.loading import load_finetuned
from deepcuts.report.analysis.studies import find_studies
from deepcuts.report.reading import load_cells
from deepcuts.report.sections import Material
from deepcuts.report.sections.on_test import on_test
from deepcuts.runs.data import DataConfig
from deepcuts.runs.pipeline import prune
from deepcuts.tasks import baseline, measure


def with_test(folder: Path, *, regression: bool = False, count: int = 9) -> DataConfig:
    source = data_config(folder, regression=regression)
    path = write_csv(folder / "test.csv", rows(count, 5, regression))
    return DataConfig(**{**vars(source), "test": str(path)})


@pytest.mark.parametrize(("regression", "recipe"), [(False, {"recipe": "gradual", "cuts": 2}), (True, {})])
def test_dense_and_pruned_model_are_measured_as_a_plain_loop_does(
    tmp_path: Path, regression: bool, recipe: dict[str, Any]
) -> None:
    source = with_test(tmp_path, regression=regression)
    found = prune(job(tmp_path, source, **recipe), tmp_path / "run", shared=tmp_path / "shared")
    without = data_config(tmp_path, regression=regression)
    plain = prune(job(tmp_path, without, **recipe), tmp_path / "plain", shared=tmp_path / "other")
    # Nothing but what is said of them differs: not a choice, not a number.
    for name in ("dense", "pruned", "retrained", "best_epoch", "last_epoch", "kept", "baseline"):
        assert found[name] == plain[name]
    assert "test" not in plain
    assert "test_rows" not in plain["task"]
    assert found["task"]["test_rows"] == found["test"]["rows"] == 9
    data = source.load()
    assert data.test is not None
    model, tokenizer = load_finetuned(str(tmp_path / "run" / "model"))
    state = next((tmp_path / "shared").glob("finetune-*/state.safetensors"))
    for phase in ("retrained", "dense"):
        if phase == "dense":
            model.load_state_dict(tensor_file.load(state, "state")[0], strict=False)  # has buffers too
        said = []
        for texts in data.test.texts:
            with torch.no_grad():
                said.append(model.eval()(**tokenizer(*texts, return_tensors="pt")).logits[0].numpy())
        expected = measure(data.task, np.stack(said), data.test.targets)
        assert found["test"][phase] == pytest.approx(expected, abs=1e-5)
    assert found["test"]["baseline"] == baseline(data.task, data.train, data.test)
    kept, about = tensor_file.load(tmp_path / "run" / "predictions-test.safetensors", "predictions")
    assert set(kept) == {"dense", "retrained", "targets"}
    assert about["test"] == found["inputs"]["test"]


def test_stages_are_shared_with_runs_that_have_no_test_rows(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    prune(job(tmp_path, data_config(tmp_path)), tmp_path / "before", shared=shared)
    stages = sorted(path.name for path in shared.iterdir())
    prune(job(tmp_path, with_test(tmp_path)), tmp_path / "after", shared=shared)
    assert sorted(path.name for path in shared.iterdir()) == stages


def test_a_pruned_model_that_says_one_thing_is_called_constant(tmp_path: Path) -> None:
    made = job(tmp_path, with_test(tmp_path, regression=True), retrain_epochs=0, density=0.01)
    with torch.no_grad():
        made.model.classifier.weight.zero_()
    made.start.tensors["classifier.weight"].zero_()
    found = prune(made, tmp_path / "run")
    assert "vary by less" in found["test"]["constant"]["retrained"]


PLACES = {"model": "model", "train": "train.csv", "dev": "dev.csv", "test": "test.csv"}
SETTINGS = ["--text", "text", "--label", "target", "--strategy", "LayerMagWeight", "--density", "0.3"]


def command(folder: Path, *more: object, name: str = "prune", **places: str) -> Any:
    named = [word for key, file in {**PLACES, **places}.items() for word in (f"--{key}", folder / file)]
    return deepcuts(name, *named, *SETTINGS, "--epochs", "1+0", "-o", folder / "run", *more)


def test_the_command_line_shows_them_and_tells_runs_of_other_ones_apart(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    with_test(tmp_path)
    dry = command(tmp_path, "--dry-run")
    assert "test         9 rows" in dry.stdout
    done = command(tmp_path)
    assert done.returncode == 0
    assert "9 test rows" in done.stdout
    assert "nothing was chosen on these rows" in done.stdout
    measured = deepcuts("evaluate", tmp_path / "run", "--json")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    said = json.loads(measured.stdout)
    assert said["model"] == pytest.approx(result["retrained"], abs=1e-6)
    assert said["test"]["model"] == pytest.approx(result["test"]["retrained"], abs=1e-6)
    assert "9 test rows" in deepcuts("evaluate", tmp_path / "run").stdout
    assert "finished already" in command(tmp_path).stderr
    path = tmp_path / "test.csv"
    path.write_text(path.read_text().replace("dog", "cat").replace("hen", "pig"))
    again = command(tmp_path)
    assert again.returncode == 2
    assert "the test rows" in again.stderr
    (tmp_path / "other.csv").write_bytes(path.read_bytes())
    other = command(tmp_path, test="other.csv")
    assert other.returncode == 2
    assert "another configuration" in other.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("text,label\nthe dog,yes\n", "has no column 'target'"),
        ("text,target\nthe dog,perhaps\nthe cat,no\n", "row 1: target is 'perhaps'"),
        ("text,target\nthe dog,\nthe cat,no\n", "row 1: target is missing"),
        ("text,target\nthe dog,yes\nthe cat,yes\n", "nothing can be measured"),
        ("text,target\n", "holds no rows"),
    ],
)
def test_bad_test_rows_are_refused_before_any_work(tmp_path: Path, content: str | None, said: str) -> None:
    tiny_model_folder(tmp_path / "model")
    data_config(tmp_path)
    if content is not None:
        (tmp_path / "test.csv").write_text(content)
    for more in ([], ["--dry-run"]):
        done = command(tmp_path, *more)
        assert done.returncode == 2
        assert said in done.stderr
        assert "test.csv" in done.stderr
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("taken", ["train", "dev"])
def test_rows_that_are_learned_from_or_measured_already_are_no_test_rows(tmp_path: Path, taken: str) -> None:
    tiny_model_folder(tmp_path / "model")
    data_config(tmp_path)
    done = command(tmp_path, test=f"{taken}.csv")
    assert done.returncode == 2
    assert f"other rows than --{taken}" in done.stderr


def test_a_task_known_by_its_name_takes_a_file_of_its_columns(tmp_path: Path) -> None:
    generator = random.Random(1)
    glue = tmp_path / "STS-B"
    glue.mkdir()
    for name in ("train", "dev", "test"):
        lines = [f"a {name}\tthe b\t{generator.uniform(0, 5):.1f}" for _ in range(6)]
        (glue / f"{name}.tsv").write_text("\n".join(["sentence1\tsentence2\tscore", *lines]) + "\n")
    source = DataConfig(task="stsb", data=str(tmp_path), test=str(glue / "test.tsv"))
    data = source.load()
    assert data.test is not None
    assert data.test.texts[0] == ("a test", "the b")
    assert data.digest == DataConfig(task="stsb", data=str(tmp_path)).load().digest
    (glue / "test.tsv").write_text("index\tsentence1\tsentence2\n0\ta\tb\n")
    with pytest.raises(DataError, match="has no column 'score'"):
        source.load()


def test_cells_of_a_grid_and_its_report_have_them(tmp_path: Path) -> None:
    grids = [{"strategy": ["LayerMagWeight", "LayerMagGrad"], "density": 0.3, "seed": 0}]
    store = tmp_path / "store"
    path = write_grid_file(tmp_path, grids)
    before = worklist_of(path, store).cells.keys()
    run_inline(path, store)
    source = with_test(tmp_path)
    path = write_grid_file(tmp_path, grids, test=source.test)
    after = worklist_of(path, store)
    assert not before & after.cells.keys()
    assert {unit.kind for unit in after.units} == {"cell"}  # all that is shared is there
    run_inline(path, store)
    assert worklist_of(path, store).units == ()
    assert worklist_of(write_grid_file(tmp_path, grids), store).units == ()
    cells, faults = load_cells(store, None)
    assert faults == []
    made = Material(cells, [], [], 100, 0, None)  # type: ignore[arg-type]
    parts = [on_test(study, made) for study in find_studies(cells)]
    assert sorted(map(len, parts)) == [0, 1]  # the cells without test rows are another study
    rows = made.files["test"]
    assert [(row["rows"], row["measure"]) for row in rows[:2]] == [(9, "accuracy"), (9, "matthews")]
    assert len(rows) == 2 * 2
