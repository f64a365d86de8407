"""Runs that are interrupted, killed or asked for again go on to the same result; folders of others stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import config, job, without_times

from deepcuts.common.errors import DivergedError, RunFolderError
from deepcuts.runs import job as jobs
from deepcuts.runs import pipeline, run_folder
from deepcuts.runs.pipeline import prune
from deepcuts.runs.steps import cut, rewind, score

# Where a run is interrupted: the module's function, and which of its calls.
STOPS = [
    (jobs, "train", 1),
    (jobs, "predict", 1),
    (score, "score_requests", 1),
    (cut, "select", 1),
    (jobs, "predict", 2),
    (rewind, "rewind", 1),
    (jobs, "train", 2),
    (jobs, "predict", 3),
    (jobs, "save_and_check", 1),
    (run_folder, "finish", 1),
]


@pytest.mark.parametrize(("owner", "name", "call"), STOPS, ids=[f"{name}:{call}" for _, name, call in STOPS])
def test_a_run_interrupted_at_any_stage_goes_on_to_the_same_result(
    home: Path,
    tmp_path: Path,
    finished: dict[str, Any],
    owner: Any,
    name: str,
    call: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = getattr(owner, name)
    calls = 0

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        prune(job(home), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
    monkeypatch.setattr(owner, name, original)
    result = prune(job(home), tmp_path / "run")
    assert without_times(result) == without_times(finished)
    assert not (tmp_path / "run" / "work").exists()
    for file in (home / "finished" / "model").iterdir():
        assert (tmp_path / "run" / "model" / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("label", ["fine-tune", "retrain"])
def test_a_training_interrupted_between_epochs_goes_on_from_its_checkpoint(
    home: Path, tmp_path: Path, finished: dict[str, Any], label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.training import callbacks as training

    steps: list[str] = []

    class Interrupting(training.ProgressCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            steps.append(self._label)
            if self._label == label and state.epoch > 1:  # within the second epoch
                raise KeyboardInterrupt

    original = training.ProgressCallback
    monkeypatch.setattr(training, "ProgressCallback", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        prune(job(home), tmp_path / "run")
    monkeypatch.setattr(training, "ProgressCallback", original)

    class Counting(training.ProgressCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            steps.append(self._label)

    steps.clear()
    monkeypatch.setattr(training, "ProgressCallback", Counting)
    result = prune(job(home), tmp_path / "run")
    assert without_times(result) == without_times(finished)
    assert steps.count(label) == 3  # 24 rows, batches of 8: the second epoch alone
    if label == "retrain":
        assert steps.count("fine-tune") == 0


def test_a_run_killed_outright_goes_on(home: Path, tmp_path: Path, finished: dict[str, Any]) -> None:
    """kill -9 while the model is being saved: no exception handler runs, and nothing half-written counts."""
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        import torch
        torch.set_num_threads(1)
        from runs import job
        from deepcuts.runs import saving
        from deepcuts.runs.pipeline import prune
        def killed(model, tokenizer, folder):
            model.save_pretrained(folder)
            os.kill(os.getpid(), signal.SIGKILL)
        saving._write_model = killed
        prune(job(Path({str(home)!r})), Path({str(tmp_path / "run")!r}))
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "run" / "model").exists()
    assert without_times(prune(job(home), tmp_path / "run")) == without_times(finished)
    left = [path.name for path in (tmp_path / "run").iterdir()]
    assert not [name for name in left if name.endswith(".tmp")]


def test_a_half_written_checkpoint_is_not_gone_on_from(tmp_path: Path) -> None:
    from deepcuts.training.trainer import last_complete_checkpoint

    for step, state in [(3, '{"global_step": 3}'), (6, '{"global_st'), (9, None)]:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    found = last_complete_checkpoint(tmp_path)
    assert found is not None
    assert found.name == "checkpoint-3"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_a_finished_run_is_not_done_again(
    home: Path, finished: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says of its numbers where they were made, not where they are asked for again."""
    monkeypatch.setattr(jobs, "train", None)
    path = home / "finished" / "environment.json"
    of_then = json.loads(path.read_text())
    path.write_text(json.dumps({**of_then, "commit": "of then"}))
    try:
        assert prune(job(home), home / "finished") == finished
        assert json.loads(path.read_text())["commit"] == "of then"
    finally:
        path.write_text(json.dumps(of_then))


def test_a_folder_of_another_configuration_is_refused_naming_what_differs(
    home: Path, finished: dict[str, Any]
) -> None:
    before = {path: path.read_bytes() for path in (home / "finished").rglob("*") if path.is_file()}
    with pytest.raises(RunFolderError, match=r"density: 0\.3 there, 0\.4 now"):
        prune(job(home, density=0.4), home / "finished")
    assert before == {path: path.read_bytes() for path in (home / "finished").rglob("*") if path.is_file()}


def test_overwrite_replaces_a_run_and_keeps_files_that_are_not_its_own(tmp_path: Path) -> None:
    prune(job(tmp_path), tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    result = prune(job(tmp_path, density=0.5), tmp_path / "run", overwrite=True)
    assert result["kept"]["density"] == pytest.approx(0.5, abs=1e-3)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_folder_with_foreign_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="no run"):
        prune(job(tmp_path), tmp_path / "run")
    with pytest.raises(RunFolderError, match="no run"):
        prune(job(tmp_path), tmp_path / "run", overwrite=True)
    with pytest.raises(RunFolderError, match="no run"):  # a saved model has a config.json too
        prune(job(tmp_path), tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / "model.safetensors").is_file()
    with pytest.raises(RunFolderError, match="is a file"):
        prune(job(tmp_path), tmp_path / "run" / "thesis.txt")


def test_two_commands_do_not_work_in_one_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second(*args: Any, **kwargs: Any) -> Any:
        with pytest.raises(RunFolderError, match="another command"):
            prune(job(home), tmp_path / "run")
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "carry_out", second)
    with pytest.raises(KeyboardInterrupt):
        prune(job(home), tmp_path / "run")


def test_a_diverging_loss_stops_with_its_step_and_leaves_the_last_checkpoint(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.training import loop as training

    original = training.Loop._pass_of

    def poisoned(self: Any, *given: Any) -> Any:
        found = original(self, *given)
        poisons = self.model.training and self.state.global_step == 4
        return replace(found, loss=found.loss * float("nan")) if poisons else found

    monkeypatch.setattr(training.Loop, "_pass_of", poisoned)
    with pytest.raises(DivergedError, match=r"nan at step 5.*learning rate"):
        prune(job(home), tmp_path / "run")
    checkpoints = list((tmp_path / "run" / "work").glob("finetune-*/checkpoints/checkpoint-3"))
    assert len(checkpoints) == 1
    monkeypatch.undo()
    assert prune(job(home), tmp_path / "run")["retrained"]


def test_interrupting_the_command_by_a_signal_says_how_to_go_on(home: Path, tmp_path: Path) -> None:
    made = config(home, finetune_epochs=500)
    source = made.data
    command = [
        sys.executable, "-m", "deepcuts", "prune", "--model", made.model, "--train", str(source.train),
        "--dev", str(source.dev), "--text", "text", "--label", "target", "--density", "0.3",
        "--select-on", "dev", "--epochs", "500+1", "-o", str(tmp_path / "run"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # Ignored where the tests run in the background of a shell, and then so in what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("work/finetune-*/checkpoints/checkpoint-*/trainer_state.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"goes on where it stopped" in errors
    assert b"Traceback" not in errors
