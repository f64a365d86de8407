"""Tiny Trainers of several kinds, as a user's own script would make them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from models import tiny
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForTokenClassification,
    BertTokenizerFast,
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

WORDS = [
    "[UNK]",
    "[PAD]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "is",
    "not",
    "dog",
    "cat",
    "cow",
    "here",
    "there",
]


def tokenizer(folder: Path) -> BertTokenizerFast:
    """A tokenizer of whole words."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    made = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=24)
    made.save_pretrained(folder)
    return made


def sentences(count: int, seed: int) -> list[tuple[str, int]]:
    """Sentences with a "not" or without, of several lengths."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        negated = chance.random() < 0.5
        words = ["the", chance.choice(WORDS[8:11]), "is", *["not"] * negated, chance.choice(WORDS[11:])]
        found.append((" ".join(words + ["here"] * chance.randint(0, 3)), int(negated)))
    return found


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    """Two epochs in batches of four."""
    given: dict[str, Any] = {
        "output_dir": str(folder / "own"),
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "logging_strategy": "epoch",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 3,
        "dataloader_pin_memory": False,
        **changes,
    }
    return TrainingArguments(**given)


def accuracy(said: Any) -> dict[str, float]:
    """What a user's own compute_metrics gives."""
    return {"accuracy": float((said.predictions.argmax(-1) == said.label_ids).mean())}


def classifier(folder: Path, kind: type[Trainer] = Trainer, **changes: Any) -> Trainer:
    """A Trainer of a sequence classifier on 24 rows, measured on 12."""
    words = tokenizer(folder / "words")
    rows = [
        [{**words(text), "labels": label} for text, label in sentences(count, seed)]
        for count, seed in ((24, 1), (12, 2))
    ]
    given: dict[str, Any] = {
        "model": tiny("bert", vocab_size=len(WORDS)),
        "args": arguments(folder),
        "train_dataset": rows[0],
        "eval_dataset": rows[1],
        "data_collator": DataCollatorWithPadding(words),
        "processing_class": words,
        "compute_metrics": accuracy,
        **changes,
    }
    return kind(**given)


class Weighted(Trainer):
    """A Trainer with class weights in its own loss."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits, labels, weight=torch.tensor([0.2, 3.0]))
        return (loss, outputs) if return_outputs else loss


def tagger(folder: Path) -> Trainer:
    """Token classification."""
    words = tokenizer(folder / "words")
    rows = []
    for text, _ in sentences(16, 1):
        encoded = words(text)
        rows.append({**encoded, "labels": [int(token > 7) for token in encoded["input_ids"]]})
    model = AutoModelForTokenClassification.from_config(tiny("bert", vocab_size=len(WORDS)).config)
    collator = DataCollatorForTokenClassification(words)
    return Trainer(model, arguments(folder), collator, rows, rows[:4], processing_class=words)


def answerer(folder: Path) -> Trainer:
    """Questions with an answer that begins and ends somewhere."""
    words = tokenizer(folder / "words")
    rows = [
        {**words(text, padding="max_length", max_length=12), "start_positions": 1 + label, "end_positions": 3}
        for text, label in sentences(16, 1)
    ]
    model = AutoModelForQuestionAnswering.from_config(tiny("bert", vocab_size=len(WORDS)).config)
    return Trainer(
        model, arguments(folder, label_names=["start_positions", "end_positions"]), None, rows, rows[:4]
    )


def masked_words(folder: Path) -> Trainer:
    """A masked language model, whose collator draws which words are masked."""
    words = tokenizer(folder / "words")
    rows = [{"input_ids": words(text)["input_ids"]} for text, _ in sentences(16, 1)]
    model = AutoModelForMaskedLM.from_config(tiny("bert", vocab_size=len(WORDS)).config)
    collator = DataCollatorForLanguageModeling(words, mlm_probability=0.3)
    return Trainer(model, arguments(folder), collator, rows, rows[:4], processing_class=words)


def magnitudes_of_gradients(trainer: Trainer, batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Σ over batches of |w · g| by autograd alone, the model in evaluation mode."""
    model: Any = trainer.model
    model.eval()
    names = [name for name, _ in model.named_parameters() if ".encoder." in name or ".pooler." in name]
    names = [name for name in names if "LayerNorm" not in name]
    found = {name: torch.zeros_like(model.get_parameter(name)) for name in names}
    for batch in batches:
        model.zero_grad()
        trainer.compute_loss(model, dict(batch)).backward()  # type: ignore[union-attr]
        for name in names:
            parameter = model.get_parameter(name)
            found[name] += (parameter * parameter.grad).abs().detach()
    model.zero_grad()
    return found
