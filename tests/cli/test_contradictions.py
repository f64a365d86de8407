"""Options that contradict each other are refused before any work: by prune, by its dry run, and in a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from commands import deepcuts
from runs import data_config, tiny_model_folder, write_csv
from transformers.models.bert.modeling_bert import BertPooler

#: What is given → how the refusal begins, and what it says.
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no retraining, with epochs of it": (
        {"recipe": "none", "retrain_epochs": 2}, "retrain_epochs: got 2", "neither the recipe 'none'",
    ),
    "no retraining, begun again": (
        {"recipe": "none", "restarts": 1}, "restarts: got 1", "neither the recipe 'none'",
    ),
    "no retraining, from other values": (
        {"recipe": "none", "rewind": "finetuned"}, "rewind: got 'finetuned'", "neither the recipe 'none'",
    ),
    "nothing adapts, at a learning rate": (
        {"recipe": "none", "repair_batches": 0, "repair_learning_rate": 0.1},
        "repair_learning_rate: got 0.1", "repair_batches",
    ),
    "nothing adapts, by a teacher": (
        {"recipe": "none", "repair_batches": 0, "objective": "distill"}, "objective: got 'distill'",
        "nothing is",
    ),
    "a share of a teacher that there is none of": (
        {"distill_share": 0.7}, "distill_share: got 0.7", "nor the objective 'task'",
    ),
    "distillation by the task's own loss": (
        {"recipe": "distill", "objective": "task"}, "objective: got 'task'", "reads a teacher",
    ),
    "a teacher that nothing is learned from": (
        {"objective": "distill", "distill_share": 0.0, "distill_layers": 0.0}, "distill_share: got 0.0",
        "teacher",
    ),
    "a teacher and no retraining": (
        {"objective": "distill", "retrain_epochs": 0}, "objective: got 'distill'", "nothing is",
    ),
    "a teacher that was never trained": (
        {"objective": "distill", "finetune_epochs": 0, "head": "new"}, "objective: got 'distill'",
        "head is new",
    ),
    "no retraining to begin again": (
        {"restarts": 2, "retrain_epochs": 0}, "restarts: got 2", "nothing is",
    ),
    "rounds of what stays the same": (
        {"recipe": "rounds", "strategy": "LayerMagWeight"}, "rounds: got 8", "the same in every round",
    ),
    "rounds of chance": ({"recipe": "rounds", "strategy": "Random"}, "rounds: got 8", "the same in every"),
    "one round in which weights come back": (
        {"recipe": "rounds", "rounds": 1, "come_back": True}, "come_back: got True", "second round",
    ),
    "rounds of another recipe": ({"rounds": 4}, "rounds: got 4", "neither the recipe 'paper'"),
    "more cuts than epochs": (
        {"recipe": "gradual", "cuts": 5, "retrain_epochs": 4}, "retrain_epochs: got 4", "each of the 5 cuts",
    ),
    "gradual, begun again": (
        {"recipe": "gradual", "restarts": 1}, "restarts: got 1", "neither the recipe 'gradual'",
    ),
    "blocks that no memory holds": (
        {"strategy": "LayerOBS", "block_size": 10**7}, "block_size: got 10000000", "it must be less",
    ),
    "a block size of what has no blocks": (
        {"strategy": "LayerFisher", "block_size": 4}, "block_size: got 4", "doesn't read it",
    ),
    "a floor of what has none": ({"floor": 0.5}, "floor: got 0.5", "doesn't read it"),
}  # fmt: skip
#: A grid may name options beside strategies that don't read them.
ALLOWED_IN_GRIDS = {"a block size of what has no blocks", "a floor of what has none"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    tiny_model_folder(folder / "model")
    data_config(folder, train=40)
    return folder


def settings(home: Path, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": str(home / "model"), "train": str(home / "train.csv"), "dev": str(home / "dev.csv"),
        "text": ["text"], "label": "target", "strategy": "LayerMagGrad", "density": 0.3, **given,
    }  # fmt: skip


def flags(given: dict[str, Any]) -> list[str]:
    found = []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        found += [flag] if value is True else [word for one in values for word in (flag, str(one))]
    return found


def check(done: Any, begins: str, says: str, output: Path) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    message = done.stderr.strip().splitlines()[-1]
    assert begins in message
    assert says in message
    assert not output.exists()


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_any_work(home: Path, tmp_path: Path, case: str) -> None:
    given, begins, says = CASES[case]
    for more in (["--dry-run"], []):
        done = deepcuts("prune", *flags(settings(home, given)), "-o", tmp_path / "run", *more)
        check(done, begins, says, tmp_path / "run")
    if case not in ALLOWED_IN_GRIDS:
        path = tmp_path / "cells.yaml"
        path.write_text(yaml.safe_dump({"grids": [settings(home, given)]}))
        for more in (["--dry-run"], []):
            done = deepcuts("grid", path, "-o", tmp_path / "store", *more)
            check(done, begins, says, tmp_path / "store")


def refused(home: Path, tmp_path: Path, given: dict[str, Any], begins: str, says: str) -> None:
    for more in (["--dry-run"], []):
        done = deepcuts("prune", *flags(settings(home, given)), "-o", tmp_path / "run", *more)
        check(done, begins, says, tmp_path / "run")


@pytest.mark.parametrize(("gradient", "called"), [("LRP", "LRP"), ("DeepLift", "DeepLIFT")])
def test_a_gradient_that_the_architecture_does_not_support(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gradient: str, called: str
) -> None:
    own = BertPooler.forward
    monkeypatch.setattr(BertPooler, "forward", lambda self, states: torch.logcumsumexp(own(self, states), -1))
    says = "has no rule for torch's 'logcumsumexp', which BertForSequenceClassification computes with"
    refused(home, tmp_path, {"strategy": f"Layer{gradient}Grad"}, f"deepcuts: {called}", says)
    refused(home, tmp_path, {"strategy": f"Global{gradient}Fisher"}, f"deepcuts: {called}", says)
    done = deepcuts("prune", *flags(settings(home, {})), "-o", tmp_path / "run", "--dry-run")
    assert done.returncode == 0  # the loss's own gradient is one of every model


def test_fewer_held_out_rows_than_classes(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    classes = [{"text": f"the {animal}", "target": animal} for animal in ("dog", "cat", "cow", "hen", "pig")]
    write_csv(tmp_path / "dev.csv", classes)
    for times, taken in ((8, 4), (10, 5)):
        write_csv(tmp_path / "train.csv", classes * times)
        more = ["-o", tmp_path / "run", "--dry-run"]
        done = deepcuts("prune", *flags(settings(tmp_path, {"head": "new"})), *more)
        if taken < len(classes):
            check(done, "select_on: got 'held-out'", "4 would be held out", tmp_path / "run")
            assert "5 classes" in done.stderr
            dev = deepcuts("prune", *flags(settings(tmp_path, {"head": "new", "select_on": "dev"})), *more)
            assert dev.returncode == 0
        else:
            assert done.returncode == 0
