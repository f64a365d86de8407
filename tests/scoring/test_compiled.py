"""Scores by torch.compile: those of the uncompiled model, or a plain refusal. Most tests take a backend that
traces and differentiates as the real one does, and needs no C++ compiler."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import Scores, ScoringOptions, Strategy, score
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.models.heads import bound_output
from deepcuts.scoring import compiled
from deepcuts.scoring.compiled import check_compilable
from deepcuts.scoring.strategy import ScoreRequest

EVERY = ["LayerMagGrad", "LayerGradCAM", "LayerGradCAMShift", "LayerSmoothGrad", "LayerSmoothGradCAM"]
PAIR = {"plain": ScoringOptions(paths=2), "compiled": ScoringOptions(paths=2, compile=True)}


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "eager")
    compiled._check_compiler.cache_clear()


def small(model_type: str = "bert", **overrides: Any) -> PreTrainedModel:
    """A model of one layer; its problem is named, for else it names it itself and is compiled anew."""
    values = {"num_hidden_layers": 1, "n_layers": 1, "problem_type": "single_label_classification"}
    return tiny(model_type, **{**values, **overrides})


def check_close(found: Mapping[str, Scores], expected: Mapping[str, Scores]) -> None:
    for name, scores in expected.items():
        for tensor, value in scores.items():
            torch.testing.assert_close(
                found[name][tensor],
                value,
                rtol=1e-4,
                atol=float(1e-6 * value.max()),
                msg=f"{name} of {tensor}",
            )


def ragged(batches: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """The same batches, one of them with fewer rows and tokens."""
    cut = {name: value[:3, :6] if value.dim() > 1 else value[:3] for name, value in batches[1].items()}
    return [batches[0], cut, *batches[2:]]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_scores_are_those_of_the_uncompiled_model(monkeypatch: pytest.MonkeyPatch, precision: Any) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    model = small()
    model.bert.pooler.dense.weight.grad = torch.ones_like(model.bert.pooler.dense.weight)
    hooks = [list(module._forward_hooks) for module in model.modules()]
    found = {
        name: score(
            model,
            ragged(tiny_batches(model)),
            EVERY,
            options=ScoringOptions(paths=2, precision=precision, compile=name == "compiled"),
        )
        for name in PAIR
    }
    check_close(found["compiled"], found["plain"])
    assert [list(module._forward_hooks) for module in model.modules()] == hooks
    assert model.bert.pooler.dense.weight.grad.sum() == model.bert.pooler.dense.weight.numel()


def test_one_sweep_takes_nothing_from_another() -> None:
    """torch.compile itself would take the code of the first sweep, which notes no activations."""
    model = small(num_labels=1, problem_type="regression")
    batches = [{**batch, "labels": batch["labels"].float()} for batch in tiny_batches(model, count=1)]
    for strategy in ("LayerMagGrad", "LayerGradCAM"):
        found = {name: score(model, batches, [strategy], options=options) for name, options in PAIR.items()}
        check_close(found["compiled"], found["plain"])
    bound_output(model, 0, 5)  # a hook that stays
    found = {name: score(model, batches, ["LayerGradCAM"], options=options) for name, options in PAIR.items()}
    check_close(found["compiled"], found["plain"])


def test_activations_alone_are_compiled_as_well() -> None:
    model = small("distilbert")
    batches = tiny_batches(model, count=1)
    for padding in (False, True):
        found = {
            on: score(
                model,
                batches,
                ["LayerSmoothGradCAMShift"],
                options=ScoringOptions(paths=1, compile=on, padding=padding),
            )
            for on in (False, True)
        }
        check_close(found[True], found[False])


def test_noisy_passes_are_never_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "no such backend")
    model = small()
    score(model, tiny_batches(model, count=1), ["LayerSmoothGrad", "Random"], options=PAIR["compiled"])


@pytest.mark.parametrize(
    ("strategy", "read"),
    [
        ("LayerMagGrad", True),
        ("LayerGradCAM", True),
        ("LayerSmoothGradCAM", True),
        ("LayerSmoothGrad", False),
        ("LayerMagWeight", False),
        ("Random", False),
    ],
)
def test_a_score_depends_on_it_only_where_a_pass_is_compiled(strategy: str, read: bool) -> None:
    request = ScoreRequest(Strategy.parse(strategy), PAIR["compiled"])
    assert ("compile" in request.strategy.reads) is request.compiles is read


def test_dropout_is_refused() -> None:
    with pytest.raises(InputError, match=r"^compile: got True, but dropout must be off"):
        ScoringOptions(compile=True, dropout=True)


def test_what_can_t_be_compiled_as_a_whole_is_refused() -> None:
    model = small()

    def breaking(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        loss = model(**batch).loss
        return loss * 1.0 if loss.item() > 0 else loss * 2.0

    before = [list(module._forward_hooks) for module in model.modules()]
    with pytest.raises(
        ScoringError, match=r"BertFor.* can't be compiled as a whole .*; score without compile"
    ):
        score(model, tiny_batches(model), ["LayerGradCAM"], loss_fn=breaking, options=PAIR["compiled"])
    assert [list(module._forward_hooks) for module in model.modules()] == before
    deberta = tiny("deberta-v2")
    with pytest.raises(ScoringError, match=r"DebertaV2For.* can't be compiled as a whole"):
        check_compilable(deberta, tiny_batches(deberta)[0])


def test_errors_of_the_loss_itself_are_told_as_they_are() -> None:
    model = small()
    batch = tiny_batches(model)[0]
    with pytest.raises(ScoringError, match="a batch holds no 'labels'"):
        score(model, [{"input_ids": batch["input_ids"]}], ["LayerMagGrad"], options=PAIR["compiled"])


def test_a_machine_that_can_t_compile_is_known_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler found")

    model = small()
    check_compilable(model, tiny_batches(model)[0])
    monkeypatch.setattr(compiled, "BACKEND", failing)
    compiled._check_compiler.cache_clear()
    with pytest.raises(
        InputError, match=r"^compile: got True, but torch.compile must work.*no compiler found"
    ):
        check_compilable(model, tiny_batches(model)[0])


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_real_compiler_gives_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "inductor")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    batches = [{"x": torch.randn(rows, 5)} for rows in (6, 3)]

    def loss_fn(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        return model(batch["x"]).square().mean()

    found = {
        name: score(
            model,
            batches,
            ["LayerGradCAM", "LayerMagGrad"],
            loss_fn=loss_fn,
            options=options,
            prunable=["0.*"],
        )
        for name, options in PAIR.items()
    }
    check_close(found["compiled"], found["plain"])
