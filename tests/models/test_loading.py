from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import tiny
from runs import tiny_model_folder
from transformers.utils import logging

from deepcuts.common.errors import ModelError
from deepcuts.models import names as models
from deepcuts.models.loading import load_finetuned, load_for_task
from deepcuts.models.names import resolve_model
from deepcuts.tasks import named_tasks


def test_a_run_folder_stands_for_its_pruned_model(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "run" / "model")
    (tmp_path / "run" / "result.json").write_text("{}")
    assert resolve_model(str(tmp_path / "run")) == str(tmp_path / "run" / "model")


def test_a_folder_that_is_no_model_and_a_path_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        resolve_model(str(tmp_path))
    for path in ("./nowhere", "/nowhere/at/all", "a/b/c"):
        with pytest.raises(ModelError, match="no folder"):
            resolve_model(path)
    assert resolve_model("owner/name") == "owner/name"


def test_the_packaged_model_is_found_or_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Path(resolve_model("minilm")) / "model.safetensors").is_file()
    monkeypatch.setitem(models.PACKAGED, "minilm", "no_such_package")
    with pytest.raises(ModelError, match="extra 'demo'"):
        resolve_model("minilm")


def test_the_head_depends_on_the_seed_alone_and_the_encoder_is_the_saved_one(tmp_path: Path) -> None:
    folder = str(tiny_model_folder(tmp_path / "model", num_labels=5))  # a head of another task goes
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, _ = load_for_task(folder, named_tasks()["cola"], seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    again, _ = load_for_task(folder, named_tasks()["cola"], seed=0)
    other, _ = load_for_task(folder, named_tasks()["cola"], seed=1)
    saved = tiny("bert", vocab_size=19, num_labels=5)
    for name, value in first.named_parameters():
        assert torch.equal(value, dict(again.named_parameters())[name])
        if not name.startswith("classifier"):
            assert torch.equal(value, dict(saved.named_parameters())[name])
    assert first.classifier.weight.shape == (2, 16)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert first.config.id2label == {0: "unacceptable", 1: "acceptable"}


def test_weights_are_float32_whatever_the_file_holds(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    tiny("bert", vocab_size=19).half().save_pretrained(folder)
    model, _ = load_for_task(str(folder), named_tasks()["cola"], seed=0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_loading_leaves_the_verbosity_of_transformers_as_it_was(tmp_path: Path) -> None:
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with pytest.raises(ModelError):
        load_finetuned(str(tiny_model_folder(tmp_path / "model") / "vocab.txt"))
    load_finetuned(str(tmp_path / "model"))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)


def test_code_that_comes_with_a_model_does_not_run_unasked(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    config = (folder / "config.json").read_text()
    own = '{"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil", '
    (folder / "config.json").write_text(
        config.replace('"model_type": "bert"', '"was": "bert"').replace("{", own, 1)
    )
    with pytest.raises(ModelError, match="--trust-remote-code"):
        load_for_task(str(folder), named_tasks()["cola"], seed=0)
    assert not (tmp_path / "ran").exists()
