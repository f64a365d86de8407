"""`deepcuts export` as a person runs it, on a run that `deepcuts prune` made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from commands import deepcuts
from runs import config

from deepcuts import Masks, load_pruned


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run in ``run``."""
    home = tmp_path_factory.mktemp("home")
    config(home)  # writes the model and the two files
    done = deepcuts(
        "prune", "--model", home / "model", "--train", home / "train.csv", "--dev", home / "dev.csv",
        "--text", "text", "--label", "target", "--density", 0.3, "--select-on", "dev",
        "--epochs", "1+1", "-o", home / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return home


def measure(home: Path, model: Path) -> dict[str, float]:
    done = deepcuts(
        "evaluate", model, "--json", "--train", home / "train.csv", "--dev", home / "dev.csv",
        "--text", "text", "--label", "target",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["model"]


def test_sparse_and_packed_keep_the_dev_measure_to_the_last_digit(home: Path, tmp_path: Path) -> None:
    expected = measure(home, home / "run")
    result = json.loads((home / "run" / "result.json").read_text())
    assert expected == pytest.approx(result["retrained"])
    done = deepcuts("export", home / "run", "--format", "packed", "-o", tmp_path / "packed")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    done = deepcuts("export", tmp_path / "packed", "-o", tmp_path / "sparse")
    assert done.returncode == 0, done.stderr
    masks = Masks.load(home / "run" / "masks.safetensors")
    rows = {line.split("  ")[1]: line for line in done.stdout.splitlines() if line.startswith("  ")}
    assert f"{4 * masks.total:,}" in rows["dense, with zeros"]
    assert f"{4 * masks.kept:,}" in rows["sparse, as written"]
    assert f"{4 * masks.kept:,}" in rows["entropy limit"]
    assert measure(home, tmp_path / "packed") == expected
    assert measure(home, tmp_path / "sparse") == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--format", "gguf"], "format: got 'gguf'"),
        (["--dtype", "int8"], "dtype: got 'int8'"),
        (["--masks", "nowhere.safetensors"], "masks: got 'nowhere.safetensors'"),
    ],
)
def test_bad_input_is_one_message_and_status_2(
    home: Path, tmp_path: Path, options: list[str], expected: str
) -> None:
    done = deepcuts("export", home / "run", "-o", tmp_path / "out", *options)
    assert done.returncode == 2
    assert done.stderr.startswith("deepcuts: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_packed_model_is_refused(home: Path, tmp_path: Path) -> None:
    done = deepcuts("export", home / "run" / "masks.safetensors", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "holds 'masks', not packed model" in done.stderr


def test_a_format_of_ones_own_is_written_and_read_back_by_its_name(
    home: Path, tmp_path: Path, no_plugins_after: None
) -> None:
    """A file outside of the package, with an option of its own."""
    done = deepcuts("export", home / "run", "--format", "toy", "-o", tmp_path / "b.toy")
    assert "format: got 'toy'" in done.stderr
    plugin = ("--plugin", Path(__file__).parents[1] / "toy_format.py")
    helped = deepcuts(*plugin, "export", "--help", "--format", "toy")
    assert "--digits" in helped.stdout
    assert "--dtype" not in helped.stdout
    done = deepcuts(
        *plugin, "export", home / "run", "--format", "toy", "--digits", 7, "-o", tmp_path / "a.toy"
    )
    assert done.returncode == 0, done.stderr
    assert "lines of JSON, for the tests" in done.stdout
    assert "Written with 7 digits." in done.stdout
    done = deepcuts(*plugin, "export", tmp_path / "a.toy", "--format", "dense", "-o", tmp_path / "dense")
    assert done.returncode == 0, done.stderr
    (first, _), (second, _) = load_pruned(home / "run"), load_pruned(tmp_path / "dense")
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], tensor, rtol=1e-6, atol=0)
    done = deepcuts(
        *plugin, "export", home / "run", "--format", "toy", "--digits", 0, "-o", tmp_path / "b.toy"
    )
    assert "digits: got 0" in done.stderr


def test_the_model_of_a_dense_runtime_is_not_read_back(home: Path, tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "config.json").write_text("{}")
    (tmp_path / "onnx" / "model.onnx").write_text("")
    done = deepcuts("export", tmp_path / "onnx", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "a model for ONNX can't be read back" in done.stderr
