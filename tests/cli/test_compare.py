from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from runs import job

from deepcuts import Budget, Masks, score, select
from deepcuts.cli import main
from deepcuts.masks.bits import MaskBits
from deepcuts.report.analysis import count_overlap, grouped
from deepcuts.runs.pipeline import prune


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that kept their scores, and a mask file."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("LayerMagWeight", "GlobalMagGrad"):
        made = job(folder, strategy=name, finetune_epochs=1, retrain_epochs=0)
        prune(made, folder / name, shared=folder / "shared", keep_scores=True)
    found = score(made.model, [], ["Random"])["Random"]
    select(found, Budget.from_density(0.5)).save(folder / "random.safetensors")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["deepcuts", "compare", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_compare_prints_and_writes_what_the_functions_say(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [home / "LayerMagWeight", home / "GlobalMagGrad"]
    assert run(monkeypatch, *paths, "--by", "head", "-o", tmp_path / "tables") == 0
    out = capsys.readouterr().out
    first, second = (MaskBits.load(path / "masks.safetensors") for path in paths)
    overall = grouped(count_overlap(first, second), lambda name: "all")["all"]
    assert f"{overall.kappa:.3f}" in next(line for line in out.splitlines() if "overall" in line)
    assert "layer 1, attention output, head 1" in out
    assert "Spearman" in out
    table = pyarrow.csv.read_csv(tmp_path / "tables" / "overlap.csv").to_pylist()
    assert next(row for row in table if row["level"] == "overall")["kappa"] == pytest.approx(overall.kappa)
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert names == {"overlap.csv", "density.csv", "shared.csv", "ranks.csv"}


def test_runs_and_files_of_other_densities_are_compared_together(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [home / "LayerMagWeight", home / "GlobalMagGrad", home / "random.safetensors"]
    assert run(monkeypatch, *paths, "--by", "layer", "-o", tmp_path / "tables", "--format", "parquet") == 0
    out = capsys.readouterr().out
    assert out.count("overall") == 3
    assert "Kept by all" in out
    assert "layer 1" in out
    table = pyarrow.parquet.read_table(tmp_path / "tables" / "density.parquet").to_pylist()
    whole = {row["masks"]: row["density"] for row in table if row["level"] == "overall"}
    assert whole["random"] == pytest.approx(Masks.load(home / "random.safetensors").density)


def test_bad_input_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder, file = home / "LayerMagWeight", home / "random.safetensors"
    (tmp_path / "empty").mkdir()
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    for arguments, message in [
        ([run_folder], "at least two"),
        ([run_folder, tmp_path / "empty"], "mask file"),
        ([run_folder, tmp_path / "nowhere.safetensors"], "no such file"),
        ([run_folder, file, "--by", "row"], "by: got 'row'"),
        ([run_folder, file, "--format", "xls"], "format: got 'xls'"),
        ([file, copy, "--by", "head"], "heads"),
        ([run_folder, file, "--by", "head", "--heads", "3"], "heads: got 3"),
    ]:
        assert run(monkeypatch, *arguments) == 2, arguments
        assert message in capsys.readouterr().err
