from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts
from runs import data_config, job

from deepcuts.cli import main
from deepcuts.common.errors import InputError
from deepcuts.deploy.prediction import for_inference, predict_texts
from deepcuts.deploy.runtime import SparseLinear
from deepcuts.models.loading import load_finetuned
from deepcuts.runs.pipeline import prune

TEXTS = ["the dog is here", "the cat is not away", "the fox is not here and there and home", "cow"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    prune(job(folder, finetune_epochs=1, retrain_epochs=1), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regression")
    source = data_config(folder, regression=True)
    prune(job(folder, source, finetune_epochs=1, retrain_epochs=1), folder / "run")
    return folder / "run"


def expected(run: Path, texts: list[Any]) -> torch.Tensor:
    """Logits of the saved model, text by text."""
    model, tokenizer = load_finetuned(str(run))
    with torch.no_grad():
        return torch.stack([model(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts])


@pytest.mark.parametrize("runtime", ["auto", "sparse", "dense"])
def test_classes_and_scores_are_those_of_the_model(run: Path, runtime: Any) -> None:
    model, tokenizer = load_finetuned(str(run))
    ready = for_inference(model, runtime)
    sparse = any(isinstance(module, SparseLinear) for module in ready.modules())
    assert sparse in {"auto": (True, False), "sparse": (True,), "dense": (False,)}[runtime]
    found = list(predict_texts(ready, tokenizer, iter(TEXTS), batch_size=3))
    assert [one.text for one in found] == TEXTS
    for one, logits in zip(found, expected(run, TEXTS), strict=True):
        shares = logits.softmax(-1)
        assert list(one.said) == ["label", "score", "scores"]
        assert one.said["label"] == model.config.id2label[int(shares.argmax())]
        assert next(iter(one.said["scores"])) == one.said["label"]
        assert sum(one.said["scores"].values()) == pytest.approx(1.0)
        assert one.said["score"] == one.said["scores"][one.said["label"]]
        assert one.said["score"] == pytest.approx(float(shares.max()), abs=1e-4)


def test_a_regression_gives_its_value(regression: Path) -> None:
    model, tokenizer = load_finetuned(str(regression))
    found = list(predict_texts(for_inference(model), tokenizer, TEXTS))
    for one, logits in zip(found, expected(regression, TEXTS), strict=True):
        assert one.said["value"] == pytest.approx(float(logits[0]), abs=1e-4)
        assert one.as_json() == {"text": one.text, "value": one.said["value"]}


def test_texts_are_read_a_batch_at_a_time_and_cut_to_the_models_length(run: Path) -> None:
    model, tokenizer = load_finetuned(str(run))
    read: list[int] = []

    def texts() -> Any:
        for index in range(5):
            read.append(index)
            yield "dog " * 500

    found = predict_texts(for_inference(model), tokenizer, texts(), batch_size=2)
    next(found)
    assert read == [0, 1]
    assert len(list(found)) == 4


def test_a_model_without_zeros_is_dense_unless_it_must_not_be(run: Path) -> None:
    model, tokenizer = load_finetuned(str(run))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter[parameter == 0] = 1e-3
    assert for_inference(model) is model
    with pytest.raises(InputError, match="weights that are 0"):
        for_inference(model, "sparse")
    with pytest.raises(InputError, match="batch_size: got 0"):
        next(predict_texts(model, tokenizer, TEXTS, batch_size=0))


def test_the_command_reads_arguments_files_and_standard_input(run: Path, tmp_path: Path) -> None:
    def lines(arguments: list[str], given: str = "") -> list[dict[str, Any]]:
        done = deepcuts("predict", run, "--runtime", "dense", *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    by_argument = lines(TEXTS)
    assert [row["text"] for row in by_argument] == TEXTS
    assert {"label", "score", "scores"} <= by_argument[0].keys()
    assert lines([], "\n".join(TEXTS) + "\n") == by_argument
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    assert lines(["--file", str(path)]) == by_argument


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pair", "one"], "--pair is not for a run of single texts"),
        (["--runtime", "fast", "a"], "runtime: got 'fast'"),
        (["--file", "nothing.txt"], "nothing.txt"),
        (["--file", "{broken}"], "broken.jsonl:2"),
        (["a", "--file", "x"], "arguments already"),
        (["a", "--batch-size", "0"], "batch_size: got 0"),
    ],
    ids=str,
)
def test_bad_input_is_refused_with_status_2(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a"}\n{"words": 3}\n')
    given = [argument.replace("{broken}", str(broken)) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["deepcuts", "predict", str(run), *given])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_pairs_come_from_two_arguments_or_a_line_with_a_tab() -> None:
    from deepcuts.cli.predict import _lines, _texts

    assert list(_texts(["a", "b", "c", "d"], None, True, 2)) == [("a", "b"), ("c", "d")]
    with pytest.raises(InputError, match="even number"):
        _texts(["a", "b", "c"], None, True, 2)
    with pytest.raises(InputError, match="must be given for a run of pairs"):
        _texts(["a", "b"], None, False, 2)
    assert list(_lines(["a\tb"], "here", True)) == [("a", "b")]
    with pytest.raises(InputError, match="here:1"):
        list(_lines(["a b"], "here", True))


@pytest.mark.parametrize("texts", [["the dog", ("a", "b")], [("a", "b"), "ab"], [("a", "b", "c")]])
def test_single_texts_and_pairs_are_not_mixed(run: Path, texts: list[Any]) -> None:
    """Of a text among pairs its letters were taken, and the second of a pair among texts was dropped."""
    model, tokenizer = load_finetuned(str(run))
    for size in (1, 8):
        with pytest.raises(InputError, match="all must be single texts, or all pairs"):
            list(predict_texts(model, tokenizer, texts, batch_size=size))
