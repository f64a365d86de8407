"""Tiny models with random weights of every known architecture, and batches for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

VOCABULARY = 40
LENGTH = 8  # tokens of a batch's longest example

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "initializer_range": 0.2,  # large enough that activations and gradients are not all alike
}
_OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 8},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": 16},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 6,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
    },
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "electra": {"embedding_size": 8},
    "modernbert": {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
}
_DROPOUTS = {
    "albert": ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"],
    "distilbert": ["dropout", "attention_dropout", "seq_classif_dropout"],
    "modernbert": ["embedding_dropout", "mlp_dropout", "attention_dropout", "classifier_dropout"],
}


def tiny(model_type: str, *, dropout: float = 0.1, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """A two-layer sequence classifier of two labels with random weights, in evaluation mode.

    Args:
        model_type: A key of `deepcuts.architectures.parameters.ARCHITECTURES`.
        dropout: The probability of all its dropouts.
        seed: Seed of the weights; the global generator stays where it is.
        overrides: Further values of the configuration.
    """
    dropouts = _DROPOUTS.get(model_type, ["hidden_dropout_prob", "attention_probs_dropout_prob"])
    values = {
        **_SIZES,
        **_OWN.get(model_type, {}),
        "pad_token_id": 1,
        "num_labels": 2,
        **dict.fromkeys(dropouts, dropout),
        **overrides,
    }
    config = AutoConfig.for_model(model_type, **values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config)
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name.lower():  # zeros and ones would hide mistakes
                parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


def tiny_batches(
    model: PreTrainedModel, count: int = 3, size: int = 4, seed: int = 0
) -> list[dict[str, Tensor]]:
    """Batches of ``(size, LENGTH)`` tokens for a model, each with one full example and padding elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(count):
        lengths = torch.randint(3, LENGTH, (size, 1), generator=generator)
        lengths[0] = LENGTH
        mask = (torch.arange(LENGTH) < lengths).long()  # (size, LENGTH)
        tokens = torch.randint(4, VOCABULARY, (size, LENGTH), generator=generator)
        batches.append(
            {
                "input_ids": tokens.where(mask.bool(), torch.tensor(model.config.pad_token_id)),
                "attention_mask": mask,
                "labels": torch.randint(0, model.config.num_labels, (size,), generator=generator),
            }
        )
    return batches
