from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stores import configure, write_store

from deepcuts.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["deepcuts", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_store_or_the_file_of_a_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = write_store(tmp_path / "store", [configure("cola", "LayerMagGrad", 0.3, 0)], grid="glue")
    assert run(monkeypatch, store / "grids" / "glue.json", "-o", tmp_path / "out", "--replicates", 100) == 0
    assert str(tmp_path / "out" / "report.html") in capsys.readouterr().out
    assert "<title>deepcuts: glue</title>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_bad_input_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = write_store(tmp_path / "store", [configure("cola", "LayerMagGrad", 0.3, 0)], grid="glue")
    result = next(store.glob("cell-*")) / "result.json"
    for arguments, message in [
        ([tmp_path / "nowhere"], "store: got"),
        ([store, "--grid", "other"], "grid: got 'other'"),
        ([result], "store: got"),
        ([store / "grids" / "glue.json", "--grid", "glue"], "store: got"),
        ([store, "--reference", "LayerMagic"], "strategy: got 'LayerMagic'"),
        ([store, "--replicates", "1"], "replicates: got 1"),
    ]:
        assert run(monkeypatch, *arguments, "-o", tmp_path / "out") == 2, arguments
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    predictions = result.parent / "predictions.safetensors"
    predictions.write_bytes(predictions.read_bytes()[:-1])
    content = json.loads(result.read_text())
    assert content["format"] == 2
    assert run(monkeypatch, store, "-o", tmp_path / "out") == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "predictions.safetensors: was altered" in page or "predictions.safetensors: not a" in page
    assert run(monkeypatch, store, "--reference", "Random", "-o", tmp_path / "out") == 2
    assert "reference: got 'Random', but the strategies of these cells are" in capsys.readouterr().err


def test_a_module_of_the_report_is_loaded_only_by_the_command() -> None:
    code = "import sys, deepcuts.cli; print([name for name in sys.modules if 'report' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['deepcuts.cli.report']"
