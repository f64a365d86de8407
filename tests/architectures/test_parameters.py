from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from deepcuts.runtime import sparsify
from models import tiny, tiny_batches
from torch import nn
from torch.nn.utils import parametrizations, prune
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
)

from deepcuts import protected_parameters, prunable_parameters, score
from deepcuts.architectures.parameters import ARCHITECTURES, linear_layers
from deepcuts.common.errors import InputError

# Tensors of two layers. An encoder layer of the BERT kind has six linear layers, query, key, value,
# attention output and two of the feed-forward part, so twelve tensors; a pooler adds two.
COUNTS = {
    "bert": 2 * 12 + 2,
    "roberta": 2 * 12,  # its classifier reads the first token itself
    "xlm-roberta": 2 * 12,
    "camembert": 2 * 12,
    "electra": 2 * 12,
    "mpnet": 2 * 12,
    "distilbert": 2 * 12,
    # in_proj without a bias (its two are parameters of the attention), pos_proj without, pos_q_proj, output
    # and two of the feed-forward part
    "deberta": 2 * (1 + 1 + 2 + 2 + 2 + 2) + 2,
    "deberta-v2": 2 * 12 + 2,  # positions go through the query's and the key's projection
    # one shared layer, the map from the embeddings, the pooler
    "albert": 12 + 2 + 2,
    # Wqkv and Wo of attention, Wi and Wo of the feed-forward part, none with a bias
    "modernbert": 2 * 4,
}


EVERY = pytest.mark.parametrize("model_type", ARCHITECTURES)


def test_every_architecture_has_a_count() -> None:
    assert set(COUNTS) == set(ARCHITECTURES)


@EVERY
def test_prunable_and_protected_are_all_parameters_and_never_overlap(model_type: str) -> None:
    model = tiny(model_type)
    prunable, protected = prunable_parameters(model), protected_parameters(model)
    everything = dict(model.named_parameters())
    assert not set(prunable) & set(protected)
    assert set(prunable) | set(protected) == set(everything)
    assert all(everything[name] is parameter for name, parameter in {**prunable, **protected}.items())
    assert list(prunable) == [name for name in everything if name in prunable], "not in the model's order"


@EVERY
def test_prunable_are_linear_layers_of_encoder_and_pooler_alone(model_type: str) -> None:
    model = tiny(model_type)
    prunable = prunable_parameters(model)
    assert len(prunable) == COUNTS[model_type]
    for name in prunable:
        owner = model.get_submodule(name.rpartition(".")[0])
        assert isinstance(owner, nn.Linear), name
        assert name.endswith((".weight", ".bias"))
        assert not re.search(r"embeddings|norm|classifier|head|out_proj", name, re.IGNORECASE), name
    heads = [name for name in protected_parameters(model) if re.search(r"^(pre_)?classifier|^head", name)]
    assert heads


@EVERY
def test_every_linear_layer_of_the_encoder_is_prunable(model_type: str) -> None:
    """Nothing of the encoder is forgotten: what is left of linear layers is named here."""
    model = tiny(model_type)
    left = {
        name
        for name in protected_parameters(model)
        if isinstance(model.get_submodule(name.rpartition(".")[0]), nn.Linear)
    }
    names = {name.rpartition(".")[0] for name in left}
    expected = {
        "distilbert": {"pre_classifier", "classifier"},
        "electra": {"electra.embeddings_project", "classifier.dense", "classifier.out_proj"},
        "modernbert": {"head.dense", "classifier"},
    }
    if model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        expected[model_type] = {"classifier.dense", "classifier.out_proj"}
    assert names == expected.get(model_type, {"classifier"})


def test_debertas_own_projections_of_positions_are_prunable() -> None:
    separate = tiny("deberta-v2", share_att_key=False)
    assert len(prunable_parameters(separate)) == 2 * 16 + 2
    score(separate, tiny_batches(separate), ["LayerGradCAM"])  # they see nothing but positions


def test_albert_counts_its_shared_layer_once() -> None:
    few, many = (tiny("albert", num_hidden_layers=layers) for layers in (1, 12))
    sizes = [
        {name: parameter.numel() for name, parameter in prunable_parameters(model).items()}
        for model in (few, many)
    ]
    assert sizes[0] == sizes[1]


@EVERY
def test_a_bare_encoder_has_the_same_prunable_parameters(model_type: str) -> None:
    model = tiny(model_type)
    with torch.device("meta"):
        bare = AutoModel.from_config(model.config)
    prefix = f"{model.base_model_prefix}."
    ours = {name.removeprefix(prefix) for name in prunable_parameters(model)}
    theirs = set(prunable_parameters(bare))
    assert {name for name in ours if "pooler" not in name} == {
        name for name in theirs if "pooler" not in name
    }


def test_a_language_models_head_is_protected() -> None:
    config = AutoConfig.for_model("bert", hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    with torch.device("meta"):
        model = AutoModelForMaskedLM.from_config(config)
    assert not [name for name in prunable_parameters(model) if name.startswith("cls")]
    assert len(prunable_parameters(model)) == 2 * 12


def test_an_unknown_architecture_is_refused_with_the_known() -> None:
    model = tiny_gpt2()
    with pytest.raises(InputError, match=r"prunable: .*'gpt2' is not known.*albert, bert, camembert"):
        prunable_parameters(model)
    with pytest.raises(InputError, match="'Sequential' is not known"):
        protected_parameters(nn.Sequential(nn.Linear(2, 2)))


def test_a_known_architecture_without_any_encoder_is_refused() -> None:
    class Empty(nn.Module):
        config = AutoConfig.for_model("bert")

    with pytest.raises(InputError, match=r"model: got 'Empty'.*no linear layer in encoder or pooler"):
        prunable_parameters(Empty())


def tiny_gpt2() -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2, num_labels=2, pad_token_id=1
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GPT2ForSequenceClassification(config)


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


def test_a_parameter_that_two_modules_share_appears_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    model[1].weight = model[0].weight
    assert list(prunable_parameters(model, ["0.*", "1.*"])) == ["0.weight", "0.bias", "1.bias"]


def test_linear_layers_are_the_owners_of_the_named_parameters() -> None:
    model = own_model()
    layer = model["encoder"].layers[0].linear1
    assert linear_layers(model, ["encoder.layers.0.linear1.weight", "encoder.layers.0.linear1.bias"]) == {
        "encoder.layers.0.linear1.weight": [layer],
        "encoder.layers.0.linear1.bias": [layer],
    }
    with pytest.raises(InputError, match=r"in_proj_weight.*not of MultiheadAttention"):
        linear_layers(model, ["encoder.layers.0.self_attn.in_proj_weight"])


def test_a_parameter_that_layers_share_belongs_to_all_of_them() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    model[1].weight = model[0].weight
    assert linear_layers(model, ["0.weight", "0.bias"]) == {
        "0.weight": [model[0], model[1]],
        "0.bias": [model[0]],
    }
    tied = nn.ModuleDict({"table": nn.Embedding(3, 3), "out": nn.Linear(3, 3)})
    tied["out"].weight = tied["table"].weight
    with pytest.raises(InputError, match=r"table\.weight.*not of Embedding"):
        linear_layers(tied, ["table.weight"])


def masked_by_torch(layer: nn.Linear) -> None:
    prune.l1_unstructured(layer, "weight", amount=0.5)  # type: ignore[no-untyped-call]


def of_a_weight_norm(layer: nn.Linear) -> None:
    parametrizations.weight_norm(layer)


def of_an_old_weight_norm(layer: nn.Linear) -> None:
    nn.utils.weight_norm(layer)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("change", [masked_by_torch, of_a_weight_norm, of_an_old_weight_norm])
def test_weights_that_are_made_anew_in_every_pass_are_refused(change: Callable[[nn.Linear], None]) -> None:
    """What is cut of that which they are made of need not be 0 in them."""
    model = tiny("bert")
    change(model.bert.encoder.layer[0].intermediate.dense)
    for work in (
        lambda: prunable_parameters(model),
        lambda: prunable_parameters(model, ["bert.encoder.*"]),
        lambda: sparsify(model),
    ):
        with pytest.raises(InputError, match=r"intermediate.*a weight is made of it"):
            work()
