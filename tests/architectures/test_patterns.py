"""Patterns: what may be cut is named, and never the head, embeddings or normalisations."""

from __future__ import annotations

import re

import pytest
import torch
from models import tiny, tiny_batches
from torch import nn
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
)

from deepcuts import Budget, apply_masks, protected_parameters, prunable_parameters, score, select
from deepcuts.common.errors import InputError


def tiny_gpt2() -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2, num_labels=2, pad_token_id=1
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GPT2ForSequenceClassification(config)


def test_patterns_cut_gpt2_though_its_layers_are_no_linear_ones() -> None:
    model = tiny_gpt2()
    batches = tiny_batches(model)
    patterns = ["transformer.h.*"]
    prunable = prunable_parameters(model, patterns)
    assert len(prunable) == 2 * 8  # two layers of attention, two of the feed-forward part, with biases
    assert not [name for name in prunable if "ln_" in name]
    scores = score(model, batches, ["LayerMagGrad"], prunable=patterns)["LayerMagGrad"]
    masks = select(scores, Budget.from_density(0.5))
    apply_masks(model, masks)
    assert sum(int(parameter.count_nonzero()) for parameter in prunable.values()) <= masks.kept
    with pytest.raises(InputError, match=r"strategy: .*nn\.Linear, not of Conv1D"):
        score(model, batches, ["LayerGradCAM"], prunable=patterns)


def own_model() -> nn.Module:
    return nn.ModuleDict(
        {
            "embed": nn.Embedding(5, 4),
            "encoder": nn.TransformerEncoder(
                nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2, enable_nested_tensor=False
            ),
            "norm": nn.LayerNorm(4),
            "classifier": nn.Linear(4, 2),
        }
    )


def test_patterns_never_cut_embeddings_or_normalisations() -> None:
    found = prunable_parameters(own_model(), ["e*", "encoder.*"])
    one = [
        "self_attn.in_proj_weight",
        "self_attn.in_proj_bias",
        "self_attn.out_proj.weight",
        "self_attn.out_proj.bias",
        "linear1.weight",
        "linear1.bias",
        "linear2.weight",
        "linear2.bias",
    ]
    assert list(found) == [f"encoder.layers.{layer}.{name}" for layer in (0, 1) for name in one]
    assert set(protected_parameters(own_model(), ["encoder.*"])) >= {"embed.weight", "norm.weight"}


def test_patterns_are_joined_and_count_once_in_the_models_order() -> None:
    found = prunable_parameters(own_model(), ["*.1.linear2.*", "*linear2.weight"])
    assert list(found) == [
        "encoder.layers.0.linear2.weight",
        "encoder.layers.1.linear2.weight",
        "encoder.layers.1.linear2.bias",
    ]


def test_patterns_tell_capital_letters_apart() -> None:
    with pytest.raises(InputError, match="'Encoder"):
        prunable_parameters(own_model(), ["Encoder.*"])


def test_patterns_replace_what_is_known_of_an_architecture() -> None:
    found = prunable_parameters(tiny("bert"), ["bert.pooler.*"])
    assert list(found) == ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]


@pytest.mark.parametrize(
    "pattern", ["encodr.*", "encoder.layers.7.*", "", "embed.weight", "norm.*", "*norm1*"]
)
def test_a_pattern_that_matches_nothing_that_can_be_cut_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"prunable: got {pattern!r}")) as caught:
        prunable_parameters(own_model(), ["encoder.*", pattern])
    assert "encoder.layers" in str(caught.value), "the message names some that could be meant"


def test_no_patterns_are_refused() -> None:
    with pytest.raises(InputError, match="at least one pattern"):
        prunable_parameters(own_model(), [])


@pytest.mark.parametrize("pattern", ["*", "c*", "classifier.*", "*.bias"])
def test_a_wildcard_that_matches_the_head_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match=r"must not match the head \(.*classifier\.bias"):
        prunable_parameters(own_model(), [pattern])


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert", "modernbert", "deberta"])
def test_a_wildcard_that_matches_the_head_of_a_known_architecture_is_refused(model_type: str) -> None:
    with pytest.raises(InputError, match=r"must not match the head .*classifier"):
        prunable_parameters(tiny(model_type), ["*"])


def test_what_stands_outside_the_encoder_is_head_whatever_its_name() -> None:
    with pytest.raises(InputError, match=r"head \(pre_classifier\.weight, pre_classifier\.bias\)"):
        prunable_parameters(tiny("distilbert"), ["pre_*"])
    assert list(prunable_parameters(tiny("distilbert"), ["pre_classifier.bias"])) == ["pre_classifier.bias"]


def test_the_head_named_in_full_is_cut() -> None:
    found = prunable_parameters(own_model(), ["classifier.weight", "encoder.layers.0.linear1.*"])
    assert list(found) == [
        "encoder.layers.0.linear1.weight",
        "encoder.layers.0.linear1.bias",
        "classifier.weight",
    ]
    assert list(prunable_parameters(tiny("bert"), ["classifier.bias"])) == ["classifier.bias"]


def test_without_a_name_for_it_the_last_linear_layer_is_the_head() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    assert list(prunable_parameters(model, ["0.*", "2.*"])) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    with pytest.raises(InputError, match=r"head \(4\.weight, 4\.bias\)"):
        prunable_parameters(model, ["*"])
