"""Distillation beside its formula in numpy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from deepcuts.common.errors import InputError
from deepcuts.tasks.kinds.divergence import of_classes, of_numbers
from deepcuts.training.loop import Loop
from deepcuts.training.objectives import Pass, find_objective

GENERATOR = torch.Generator().manual_seed(0)


def states(layers: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(2, 4, 3, generator=GENERATOR) for _ in range(layers + 1))


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def test_it_is_its_formula_for_classes() -> None:
    logits, taught = torch.randn(2, 2, 5, generator=GENERATOR)
    own, shown = states(2), states(2)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    student = Pass(torch.tensor(0.7), logits, own, of_classes)
    teacher = Pass(torch.tensor(9.0), taught, shown)
    found = find_objective("distill").function(
        {"attention_mask": mask}, student, teacher, {"share": 0.3, "temperature": 4.0, "layers": 1.5}
    )
    p, q = softmax(taught.numpy() / 4), softmax(logits.numpy() / 4)
    divergence = 16 * (p * np.log(p / q)).sum(-1).mean()
    terms = []
    for s, t in zip(own[1:], shown[1:], strict=True):
        pairs = [(s[r, k].numpy(), t[r, k].numpy()) for r in range(2) for k in range(4) if mask[r, k]]
        terms.append(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs))
    assert found.item() == pytest.approx(0.7 * 0.7 + 0.3 * divergence + 1.5 * np.mean(terms), rel=1e-5)


def test_numbers_differ_by_their_square_whatever_the_temperature() -> None:
    student, teacher = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [2.5]])
    assert of_numbers(student, teacher, 7.0).item() == pytest.approx((4 + 0.25) / 2)


def test_a_model_that_is_its_teacher_has_nothing_to_learn() -> None:
    logits, own = torch.randn(2, 3, generator=GENERATOR), states(1)
    alike = Pass(torch.tensor(0.0), logits, own, of_classes)
    values = {"share": 1.0, "temperature": 2.0, "layers": 2.0}
    found = find_objective("distill").function({"attention_mask": torch.ones(2, 4)}, alike, alike, values)
    assert found.item() == pytest.approx(0, abs=1e-6)


def test_models_of_other_layers_are_refused() -> None:
    student = Pass(torch.tensor(0.0), torch.zeros(2, 2), states(2), of_classes)
    teacher = Pass(torch.tensor(0.0), torch.zeros(2, 2), states(1))
    values = {"share": 0.0, "temperature": 2.0, "layers": 2.0}
    with pytest.raises(InputError, match="layers alike"):
        find_objective("distill").function({"attention_mask": torch.ones(2, 4)}, student, teacher, values)


def test_of_tokens_those_with_a_label_learn_from_the_teacher() -> None:
    logits, taught = torch.randn(2, 2, 3, 4, generator=GENERATOR)
    labels = torch.tensor([[-100, 1, 2], [-100, 0, -100]])
    loop: Any = SimpleNamespace(_predictions=lambda output: output["logits"], _distance=of_classes)

    def said(logits: torch.Tensor, labels: torch.Tensor) -> Pass:
        return Loop._pass_of(loop, {"labels": labels}, {"loss": torch.tensor(0.0), "logits": logits})

    found = said(logits, labels).divergence(said(taught, labels), 2.0)
    chosen = [(0, 1), (0, 2), (1, 1)]
    own, shown = (torch.stack([one[place] for place in chosen]) for one in (logits, taught))
    assert found.item() == pytest.approx(of_classes(own, shown, 2.0).item(), rel=1e-6)
    # Labels of rows, and of several labels a row, choose nothing.
    assert said(logits[:, 0], torch.tensor([0, -100])).logits.shape == (2, 4)
    assert said(logits[:, 0], torch.ones(2, 4)).logits.shape == (2, 4)
