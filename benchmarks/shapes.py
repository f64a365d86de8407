"""The models and batches that are timed: BERT-base, randomly initialised, and MiniLM-L6-H384."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from deepcuts import prunable_parameters

CONFIGS = {
    "BERT-base": {},
    "MiniLM": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
}
ROWS = 16


def device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def model_of(name: str, **changes: int) -> PreTrainedModel:
    """A classifier of this shape, random, without dropout, where it is timed."""
    torch.manual_seed(0)
    config = BertConfig(**{**CONFIGS[name], **changes})
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return BertForSequenceClassification(config).to(device()).eval()


def batch_of(tokens: int, rows: int = ROWS) -> dict[str, Tensor]:
    """A batch without padding."""
    generator = torch.Generator().manual_seed(1)
    return {
        "input_ids": torch.randint(1000, 30000, (rows, tokens), generator=generator).to(device()),
        "attention_mask": torch.ones(rows, tokens, dtype=torch.long, device=device()),
        "labels": torch.randint(0, 2, (rows,), generator=generator).to(device()),
    }


def prunable_shapes(name: str) -> dict[str, torch.Size]:
    """Names and shapes of the prunable parameters, without the weights."""
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(**CONFIGS[name]))
    return {name: value.shape for name, value in prunable_parameters(model).items()}


def forward_and_backward(model: PreTrainedModel, batch: dict[str, Tensor]) -> None:
    """One bare pass: the floor of every score that reads a gradient."""
    model(**batch).loss.backward()
    model.zero_grad(set_to_none=True)
