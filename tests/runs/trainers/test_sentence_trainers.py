"""Trainers of sentence-transformers: their losses, their batches of several texts, what they save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import tiny
from trainers import WORDS, sentences, tokenizer

import deepcuts
from deepcuts.common.errors import InputError
from deepcuts.runs.trainers.batches import TrainerBatches

sentence_transformers = pytest.importorskip("sentence_transformers")
datasets = pytest.importorskip("datasets")

PAPER: dict[str, Any] = {"strategy": "LayerGradCAMShift", "density": 0.3}


def encoder(folder: Path) -> Any:
    """A tiny SentenceTransformer: BERT and the mean of its tokens."""
    words = tokenizer(folder / "bert")
    tiny("bert", vocab_size=len(WORDS), dropout=0.0).bert.save_pretrained(folder / "bert")
    words.save_pretrained(folder / "bert")
    return sentence_transformers.SentenceTransformer(str(folder / "bert"), device="cpu")


def given(folder: Path, kind: Any, **changes: Any) -> Any:
    return kind(
        output_dir=str(folder / "own"), num_train_epochs=1, per_device_train_batch_size=4, learning_rate=1e-3,
        report_to="none", disable_tqdm=True, use_cpu=True, save_strategy="no", logging_strategy="epoch",
        dataloader_pin_memory=False, **changes,
    )  # fmt: skip


def pairs(count: int) -> Any:
    texts = [text for text, _ in sentences(2 * count, 5)]
    return datasets.Dataset.from_dict({"anchor": texts[:count], "positive": texts[count:]})


def scored_pairs(count: int) -> Any:
    texts = [text for text, _ in sentences(2 * count, 5)]
    scores = [(number % 5) / 4 for number in range(count)]
    return datasets.Dataset.from_dict({"a": texts[:count], "b": texts[count:], "score": scores})


def trainer_of(folder: Path, loss: str, rows: Any) -> Any:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses

    model = encoder(folder)
    args = given(folder, SentenceTransformerTrainingArguments, eval_strategy="no")
    return SentenceTransformerTrainer(
        model=model, args=args, train_dataset=rows, eval_dataset=rows, loss=getattr(losses, loss)(model)
    )


@pytest.mark.parametrize(
    ("loss", "rows"), [("MultipleNegativesRankingLoss", pairs(12)), ("CoSENTLoss", scored_pairs(12))]
)
def test_an_embedding_model_goes_in_and_comes_out_as_what_it_is(tmp_path: Path, loss: str, rows: Any) -> None:
    trainer = trainer_of(tmp_path, loss, rows)
    result = deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
    masks = deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors")
    assert masks.kept == round(0.3 * masks.total)
    assert result["retrained"]["loss"] > 0
    saved = sentence_transformers.SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
    deepcuts.verify_masks(saved, masks)
    texts = [text for text, _ in sentences(6, 9)]
    torch.testing.assert_close(
        torch.tensor(saved.encode(texts)), torch.tensor(trainer.model.encode(texts)), rtol=0, atol=0
    )


def test_padding_of_each_text_counts_nothing(tmp_path: Path) -> None:
    """Mean outputs over real tokens alone, though a batch holds two texts with masks of their own."""
    trainer = trainer_of(tmp_path, "CoSENTLoss", scored_pairs(8))
    deepcuts.prune_trainer(
        trainer, strategy="LayerGradCAM", density=0.3, start="finetuned", recipe="none", repair_batches=0,
        output=tmp_path / "run", keep_scores=True,
    )  # fmt: skip
    found = deepcuts.Scores.load(tmp_path / "run" / "scores.safetensors")
    fresh = trainer_of(tmp_path / "fresh", "CoSENTLoss", scored_pairs(8))
    model = fresh.model.eval()
    (name,) = [name for name in found if name.endswith("layer.0.intermediate.dense.weight")]
    layer = model.get_submodule(name.removesuffix(".weight"))
    expected = torch.zeros_like(layer.weight)
    for batch in TrainerBatches(fresh, fresh.args.seed, None):
        masks = [batch[part] for part in sorted(batch) if part.endswith("attention_mask")]
        assert len(masks) == 2
        assert any((mask == 0).any() for mask in masks)
        outputs: list[torch.Tensor] = []
        hook = layer.register_forward_hook(lambda _, __, output: outputs.append(output.detach()))  # noqa: B023
        model.zero_grad()
        fresh.compute_loss(model, dict(batch)).backward()
        hook.remove()
        real = [output[mask.bool()] for output, mask in zip(outputs, masks, strict=True)]
        mean = torch.cat(real).mean(0)  # (out_features,)
        expected += (mean[:, None] * layer.weight * layer.weight.grad).abs().detach()
    torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-7)


def test_a_loss_with_a_backward_pass_of_its_own_is_refused(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, "CachedMultipleNegativesRankingLoss", pairs(8))
    with pytest.raises(InputError, match=r"CachedMultipleNegativesRankingLoss.*backward pass of its own"):
        deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")


def test_a_reranker_goes_in_and_comes_out_as_what_it_is(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments

    words = tokenizer(tmp_path / "bert")
    tiny("bert", vocab_size=len(WORDS), num_labels=1).save_pretrained(tmp_path / "bert")
    words.save_pretrained(tmp_path / "bert")
    model = CrossEncoder(str(tmp_path / "bert"), device="cpu", num_labels=1)
    trainer = CrossEncoderTrainer(
        model=model, args=given(tmp_path, CrossEncoderTrainingArguments), train_dataset=scored_pairs(12)
    )
    result = deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
    assert any("nothing to evaluate on" in note for note in result["notes"])
    masks = deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors")
    saved = CrossEncoder(str(tmp_path / "run" / "model"), device="cpu")
    deepcuts.verify_masks(saved, masks)
    asked = [("the dog is here", "the cat is there"), ("the cow is not here", "the cow is here")]
    assert saved.predict(asked).tolist() == trainer.model.predict(asked).tolist()
