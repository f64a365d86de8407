"""What a model is for stands in its configuration: by what a kind of task recognises, or by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from models import tiny
from runs import tiny_model_folder

from deepcuts.common.errors import InputError, ModelError
from deepcuts.models import check_fits, kind_of_model, load_finetuned, load_for_task
from deepcuts.models.purpose import KIND_KEY, predictions_of
from deepcuts.tasks import Schedule, Task, kind_named, named_tasks, register_kind
from deepcuts.tasks.kinds.classification import Classification


def task(kind: str, **rest: Any) -> Task:
    return Task(
        name="toy", kind=kind, text_columns=("text",), label_column="y", primary="accuracy",
        schedule=Schedule(1, 1, 1e-3), **rest,
    )  # fmt: skip


@pytest.fixture
def doubled(no_plugins_after: None) -> Task:
    """A task whose kind doubles the loss of a classification."""

    @register_kind
    class Doubled(Classification):
        name = "doubled"

        def recognises(self, config: Any) -> bool:
            return False

        def loss(self, output: Any, labels: Any) -> Any:
            return 2 * torch.nn.functional.cross_entropy(output.logits, labels)

    return task("doubled", labels=("no", "yes"))


def batch() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor([[2, 5, 3], [2, 6, 3]]), "labels": torch.tensor([0, 1])}


def test_the_packages_kinds_are_recognised_without_a_name(tmp_path: Path) -> None:
    folder = str(tiny_model_folder(tmp_path))
    for name, kind in {"cola": "classification", "stsb": "regression"}.items():
        model, _ = load_for_task(folder, named_tasks()[name], seed=0)
        assert not hasattr(model.config, KIND_KEY)
        assert kind_of_model(model) is kind_named(kind)


def test_an_own_loss_takes_the_models_place_also_in_a_copy_and_once_it_is_saved(
    tmp_path: Path, doubled: Task
) -> None:
    folder = str(tiny_model_folder(tmp_path / "start"))
    plain, _ = load_for_task(folder, named_tasks()["cola"], seed=0)
    model, _ = load_for_task(folder, doubled, seed=0)
    model.save_pretrained(tmp_path / "saved")
    tiny_model_folder(tmp_path / "tokenizer")
    for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        if (tmp_path / "tokenizer" / file).is_file():
            (tmp_path / "saved" / file).write_bytes((tmp_path / "tokenizer" / file).read_bytes())
    saved, _ = load_finetuned(str(tmp_path / "saved"))
    with torch.no_grad():
        expected = plain.eval()(**batch())
        for one in (model, copy.deepcopy(model), saved):
            assert kind_of_model(one).name == "doubled"
            found = one.eval()(**batch())
            assert found.loss == pytest.approx(2 * float(expected.loss))
            assert torch.equal(predictions_of(one)(found), expected.logits)
            without = {name: value for name, value in batch().items() if name != "labels"}
            assert one(**without).loss is None


def test_a_model_of_another_kind_does_not_fit_though_it_has_as_many_outputs(
    tmp_path: Path, doubled: Task
) -> None:
    model, _ = load_for_task(str(tiny_model_folder(tmp_path)), doubled, seed=0)
    check_fits(model, doubled)
    with pytest.raises(ModelError, match="trained for a task of the kind doubled, but cola"):
        check_fits(model, named_tasks()["cola"])
    with pytest.raises(ModelError, match="has 2 outputs, but the task stsb needs 1"):
        check_fits(model, named_tasks()["stsb"])


def test_what_a_model_was_for_is_forgotten_when_it_starts_another_task(tmp_path: Path, doubled: Task) -> None:
    start = tmp_path / "start"
    tiny_model_folder(start)
    for given in (doubled, named_tasks()["stsb"]):
        model, tokenizer = load_for_task(str(start), given, seed=0)
        model.save_pretrained(tmp_path / given.name)
        tokenizer.save_pretrained(tmp_path / given.name)
        again, _ = load_for_task(str(tmp_path / given.name), task("regression"), seed=0)
        assert kind_of_model(again).name == "regression"
        assert not hasattr(again.config, "deepcuts_output_range")
        torch.nn.init.constant_(again.classifier.bias, -50.0)
        assert float(again.eval()(**batch()).logits.detach().max()) < 0  # no bound keeps it up


def test_a_model_whose_kind_nobody_knows_names_it(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path, **{KIND_KEY: "ranking"})
    with pytest.raises(
        InputError, match="kind: got 'ranking', but the kinds of task are classification, labels, reg"
    ):
        load_finetuned(str(tmp_path))


def test_a_model_that_no_kind_recognises_is_loaded_but_says_nothing() -> None:
    model = tiny("bert", num_labels=3, problem_type="regression")
    with pytest.raises(ModelError, match="3 outputs of the type 'regression', which no kind"):
        kind_of_model(model)
    found = model(input_ids=torch.tensor([[2, 5, 3]]))
    assert torch.equal(predictions_of(model)(found), found.logits)
