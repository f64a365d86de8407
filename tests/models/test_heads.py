from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from models import tiny, tiny_batches
from runs import tiny_model_folder
from transformers import AutoModelForSequenceClassification

from deepcuts.architectures.parameters import ARCHITECTURES
from deepcuts.common.errors import ModelError
from deepcuts.models.heads import bound_output, output_layer
from deepcuts.models.loading import load_finetuned, load_for_task
from deepcuts.scoring.noise import noisy_linear_layers
from deepcuts.tasks import named_tasks


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_the_output_is_five_times_the_sigmoid_of_the_linear_layer_for_every_architecture(
    model_type: str,
) -> None:
    model = tiny(model_type, num_labels=1)
    batch = {name: value for name, value in tiny_batches(model)[0].items() if name != "labels"}
    raw = model(**batch).logits
    bound_output(model, 0.0, 5.0)
    torch.testing.assert_close(model(**batch).logits, 5 / (1 + torch.exp(-raw)))


def test_the_loss_is_the_mean_squared_error_of_the_bounded_output() -> None:
    model = tiny("bert", num_labels=1)
    model.config.problem_type = "regression"
    bound_output(model, 0.0, 5.0)
    batch = tiny_batches(model)[0]
    labels = torch.tensor([0.5, 4.0, 2.5, 5.0])
    found = model(**{**batch, "labels": labels})
    torch.testing.assert_close(found.loss, ((found.logits.squeeze(1) - labels) ** 2).mean())


def test_a_bounded_head_is_saved_and_loaded_with_the_model(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "pretrained")
    model, tokenizer = load_for_task(str(folder), named_tasks()["stsb"], seed=0)
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    inputs = tokenizer("the dog is here", return_tensors="pt")
    expected = model.eval()(**inputs).logits
    assert 0 < expected.item() < 5
    loaded, _ = load_finetuned(str(tmp_path / "saved"))
    torch.testing.assert_close(loaded.eval()(**inputs).logits, expected, rtol=0, atol=0)
    # Without deepcuts the same weights load, and give the logit, as the README says.
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(5 * plain(**inputs).logits.sigmoid(), expected)


def test_noise_comes_before_the_bound_so_that_no_output_leaves_the_interval() -> None:
    model = tiny("bert", num_labels=1)
    bound_output(model, 0.0, 5.0)
    batch = {name: value for name, value in tiny_batches(model)[0].items() if name != "labels"}
    with noisy_linear_layers(model, 100.0, 0):
        outputs = model(**batch).logits
    assert outputs.min() >= 0
    assert outputs.max() <= 5


def test_a_copy_of_a_bounded_model_is_bounded() -> None:
    model = tiny("bert", num_labels=1)
    bound_output(model, 2.0, 3.0)
    batch = {name: value for name, value in tiny_batches(model)[0].items() if name != "labels"}
    torch.testing.assert_close(copy.deepcopy(model)(**batch).logits, model(**batch).logits)


def test_the_output_layer_is_the_last_of_the_head() -> None:
    model = tiny("roberta", num_labels=1)
    assert output_layer(model) is model.classifier.out_proj
    model.config.num_labels = 7
    with pytest.raises(ModelError, match="no linear output layer"):
        output_layer(model)
