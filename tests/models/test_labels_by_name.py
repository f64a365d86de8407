"""Labels count by name and never by position: in prune, evaluate, predict, bench and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts
from runs import config, save_over, tiny_model_folder, write_csv
from safetensors.torch import load_file, save_file

from deepcuts.common.errors import ModelError
from deepcuts.deploy.bench.run import BenchOptions, bench
from deepcuts.deploy.bench.shape import Shape
from deepcuts.deploy.export.exporting import export
from deepcuts.models import check_fits, load_finetuned, load_for_task
from deepcuts.runs.config import DataConfig
from deepcuts.tasks import Task

ROWS = [
    {"text": f"the {animal} is {word}here", "target": target}
    for animal in ("dog", "cat", "cow")
    for word, target in (("not ", "neg"), ("", "pos"))
]


def knowing(folder: Path, *names: str, **more: Any) -> Path:
    """A model that is right on `ROWS`, by whether there is a "not"; its classes are called so, in that order.

    Embeddings are 0 but for "not", so the head reads its presence; the first name that begins with "n" is it.
    """
    tiny_model_folder(folder, **more)
    tensors = load_file(folder / "model.safetensors")
    # Class 0 is told by the head alone from what the pooler makes of a text with and without "not".
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    model, tokenizer = load_finetuned(str(folder))
    texts = [row["text"] for row in ROWS]
    with torch.no_grad():
        batch = tokenizer(texts, return_tensors="pt", padding=True)
        pooled = model.base_model(**batch).pooler_output  # (rows, hidden)
        wanted = torch.tensor([-1.0 if row["target"] == "neg" else 1.0 for row in ROWS])
        columns = torch.cat([pooled, torch.ones(len(ROWS), 1)], dim=1)
        solved = torch.linalg.lstsq(columns, wanted, driver="gelsd").solution
        signs = [-1.0 if name.lower().startswith("n") else 1.0 for name in names]
        model.classifier.weight.copy_(torch.stack([sign * solved[:-1] for sign in signs]))
        model.classifier.bias.copy_(torch.stack([sign * solved[-1] for sign in signs]))
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    save_over(model, folder)
    return folder


def data(folder: Path, **renamed: str) -> DataConfig:
    """`ROWS` as train and dev files, with classes renamed."""
    rows = [{**row, "target": renamed.get(row["target"], row["target"])} for row in ROWS]
    path = str(write_csv(folder / f"{'-'.join(renamed.values()) or 'rows'}.csv", rows))
    return DataConfig(train=path, dev=path, text=("text",), label="target")


def flags(source: DataConfig) -> list[str]:
    return ["--train", source.train, "--dev", source.dev, "--text", "text", "--label", "target"]  # type: ignore[list-item]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("labels")
    knowing(home / "neg-pos", "neg", "pos")
    knowing(home / "pos-neg", "pos", "neg")
    knowing(home / "NEG-POS", "NEG", "POS")
    return home


@pytest.mark.parametrize("name", ["neg-pos", "pos-neg", "NEG-POS"])
def test_evaluate_and_bench_find_a_perfect_model_perfect_whatever_its_order(home: Path, name: str) -> None:
    source = data(home)
    done = deepcuts("evaluate", home / name, *flags(source), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["model"]
    assert found == {"accuracy": 1.0, "matthews": 1.0, "f1": 1.0, "macro_f1": 1.0}
    options = BenchOptions(shapes=[Shape(1, 8)], turns=3, only=["sparse-fp32"], memory=False, device="cpu")
    for result in bench(str(home / name), source.load(), options=options).results:
        assert result.measures is None or result.measures["accuracy"] == 1.0
        assert result.skipped is not None or result.measures is not None


@pytest.mark.parametrize("name", ["neg-pos", "pos-neg", "NEG-POS"])
def test_prune_keeps_the_head_and_gives_each_row_its_class(home: Path, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    done = deepcuts(
        "prune", "--select-on", "dev",
        "--model", home / name, *flags(data(home)), "--density", 1, "--rewind", "finetuned",
        "--epochs", "0+0", "--strategy", "LayerMagWeight", "-o", run,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((run / "result.json").read_text())
    assert result["dense"]["accuracy"] == result["retrained"]["accuracy"] == 1.0
    texts = [row["text"] for row in ROWS]
    lines = deepcuts("predict", run, *texts).stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == [row["target"] for row in ROWS]
    again = deepcuts("evaluate", run, *flags(data(home)), "--json")
    assert json.loads(again.stdout)["model"]["accuracy"] == 1.0


def test_other_names_are_refused_everywhere_and_both_sets_are_named(home: Path, tmp_path: Path) -> None:
    other = flags(data(home, neg="negative", pos="positive"))
    prune = [
        "prune",
        "--select-on",
        "dev",
        "--density",
        1,
        "--epochs",
        "0+0",
        "-o",
        tmp_path / "run",
        "--model",
    ]
    for command in (
        ["evaluate"],
        ["bench", "--turns", 3, "--no-memory", "--shape", "1x8"],
        [*prune],
        [*prune[:-1], "--dry-run", "--model"],
    ):
        done = deepcuts(*command, home / "pos-neg", *other)
        assert done.returncode == 2, command
        for name in ("'neg'", "'pos'", "'negative'", "'positive'"):
            assert name in done.stderr, command
    assert "--head new" in done.stderr
    done = deepcuts(*prune, home / "pos-neg", *other, "--head", "new", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "the head is new, as asked" in done.stdout
    assert not (tmp_path / "run").exists()


def test_outputs_without_names_count_by_position_and_that_is_said(home: Path, tmp_path: Path) -> None:
    folder = knowing(tmp_path / "model", "neg", "pos")
    content = json.loads((folder / "config.json").read_text())
    content["id2label"], content["label2id"] = {"0": "LABEL_0", "1": "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}
    (folder / "config.json").write_text(json.dumps(content))
    done = deepcuts("evaluate", folder, *flags(data(home)))
    assert "LABEL_0 is 'neg', LABEL_1 is 'pos'" in done.stdout
    assert "1.0000" in done.stdout
    swapped = deepcuts("evaluate", folder, *flags(data(home, neg="yes", pos="no")), "--json")
    assert json.loads(swapped.stdout)["model"]["accuracy"] == 0.0  # "no" comes first


def test_a_new_head_depends_on_the_seed_alone(home: Path) -> None:
    task = data(home).load().task
    heads = [
        load_for_task(str(home / "neg-pos"), task, seed, head="new")[0].classifier.weight
        for seed in (0, 0, 1)
    ]
    old = load_finetuned(str(home / "neg-pos"))[0].classifier.weight
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert not torch.equal(heads[0], old)


@pytest.mark.parametrize("format", ["dense", "sparse", "packed", "onnx"])
def test_names_survive_in_every_format(tmp_path: Path, home: Path, format: str) -> None:
    run = tmp_path / "run"
    made = config(tmp_path, data(home), model=str(home / "pos-neg"), density=0.5, finetune_epochs=0,
                  retrain_epochs=0, rewind="finetuned", strategy="LayerMagWeight")  # fmt: skip
    assert made.head == "kept"
    done = deepcuts(
        "prune", "--select-on", "dev",
        "--model", home / "pos-neg", *flags(data(home)), "--density", 0.5, "--rewind", "finetuned",
        "--epochs", "0+0", "--strategy", "LayerMagWeight", "-o", run,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    export(str(run), format, tmp_path / "out")
    if format != "packed":
        held = json.loads((tmp_path / "out" / "config.json").read_text())
        assert held["id2label"] == {"0": "neg", "1": "pos"}
    if format != "onnx":
        said = [
            json.loads(deepcuts("predict", path, "the dog is here").stdout)
            for path in (run, tmp_path / "out")
        ]
        assert said[0]["label"] == said[1]["label"]


def swapped_ids(content: dict[str, Any]) -> None:
    content["label2id"] = {"neg": 1, "pos": 0}


def gap(content: dict[str, Any]) -> None:
    content["id2label"] = {"0": "neg", "2": "pos"}


def one_name(content: dict[str, Any]) -> None:
    content["id2label"], content["label2id"] = {"0": "pos", "1": "pos"}, {"pos": 1}


def three(content: dict[str, Any]) -> None:
    content["id2label"] = {"0": "neg", "1": "pos", "2": "other"}
    content["label2id"] = {"neg": 0, "pos": 1, "other": 2}


@pytest.mark.parametrize("change", [swapped_ids, gap, one_name, three])
def test_configurations_that_contradict_themselves_are_refused(
    home: Path, tmp_path: Path, change: Any
) -> None:
    folder = knowing(tmp_path / "model", "neg", "pos")
    content = json.loads((folder / "config.json").read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))
    source = flags(data(home))
    prune = ["prune", "--select-on", "dev", "--density", 1, "-o", tmp_path / "run", "--dry-run", "--model"]
    for command in (["evaluate", folder, *source], ["predict", folder, "the dog"], [*prune, folder, *source],
                    ["bench", folder], ["export", folder, "-o", tmp_path / "out"]):  # fmt: skip
        done = deepcuts(*command)
        assert done.returncode == 2, command
        assert done.stderr.count("\n") <= 2
        assert "deepcuts: model: " in done.stderr, done.stderr


def test_a_name_that_stands_twice_in_a_config_is_refused(tmp_path: Path) -> None:
    folder = knowing(tmp_path / "model", "neg", "pos")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"0": "neg"', '"0": "pos", "0": "neg"'))
    with pytest.raises(ModelError, match="'0' stands twice"):
        load_finetuned(str(folder))


def test_a_head_for_several_labels_is_not_taken_for_one_for_classes(home: Path, tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model", problem_type="multi_label_classification")
    task = data(home).load().task
    model, _ = load_finetuned(str(folder))
    with pytest.raises(ModelError, match="was trained for a task of the kind labels, but"):
        check_fits(model, task)
    with pytest.raises(ModelError, match=r"trained for a task of the kind labels.*--head new"):
        load_for_task(str(folder), task, 0)


def test_a_head_of_another_purpose_is_refused(home: Path, tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model", problem_type="regression")
    source = data(home).load()
    model, _ = load_finetuned(str(folder))
    with pytest.raises(ModelError, match="2 outputs of the type 'regression', which no kind"):
        check_fits(model, source.task)
    with pytest.raises(ModelError, match="--head new"):
        load_for_task(str(folder), source.task, 0)
    for command in (["predict", folder, "the dog"], ["evaluate", folder, *flags(data(home))]):
        done = deepcuts(*command)
        assert (done.returncode, done.stdout) == (2, "")


def test_a_head_for_tokens_is_not_taken_for_one_for_texts(home: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    folder = tiny_model_folder(tmp_path / "model")
    save_over(AutoModelForTokenClassification.from_pretrained(folder), folder)
    task: Task = data(home).load().task
    with pytest.raises(ModelError, match="BertForTokenClassification; --head new"):
        load_for_task(str(folder), task, 0)
