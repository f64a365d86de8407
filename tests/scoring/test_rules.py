"""LRP and DeepLIFT by what defines them: relevance is conserved, differences add up; and by plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts import ScoringOptions, prunable_parameters, score
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.scoring.differences import differences
from deepcuts.scoring.explained import of_targets
from deepcuts.scoring.relevance import relevance

EVERY = ["bert", "distilbert", "roberta", "albert", "electra", "mpnet", "deberta", "deberta-v2", "modernbert"]


def seen_linears(model: nn.Module, seen: list[tuple[nn.Module, Tensor, Tensor]]) -> list[Any]:
    """Hooks that note what linear layers take in and put out, with its gradient kept."""

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.requires_grad:
            output.retain_grad()
            seen.append((module, inputs[0], output))

    return [one.register_forward_hook(note) for one in model.modules() if isinstance(one, nn.Linear)]


@pytest.mark.parametrize("model_type", EVERY)
def test_the_logit_is_what_embeddings_and_biases_get_together(model_type: str) -> None:
    """Conserved by every operation on the way: nothing is lost, nothing comes from nowhere."""
    model = tiny(model_type, dropout=0.0)
    batch = tiny_batches(model)[0]
    embedded: list[Tensor] = []

    def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
        output.retain_grad()
        embedded.append(output)

    hooks = [one.register_forward_hook(note) for one in model.modules() if isinstance(one, nn.Embedding)]
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    hooks += seen_linears(model, seen)
    with relevance(model, 1e-9, shares_attention=False):
        logits = model(**{**batch, "labels": None}).logits
        explained = of_targets(logits, batch["labels"])
        explained.backward()
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        assert torch.allclose(logits, model(**{**batch, "labels": None}).logits, atol=1e-5)
    found = sum(float((one * one.grad).sum().detach()) for one in embedded if one.grad is not None)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and parameter.grad is not None:
            found += float((parameter * parameter.grad).sum())
    assert abs(found - explained.item()) < 1e-3 * max(1, abs(explained.item()))
    # Layer by layer: what a linear layer's output gets, its weights and bias hand on.
    for module in {id(one): one for one, *_ in seen}.values():
        outputs = [output for other, _, output in seen if other is module and output.grad is not None]
        arrived = sum(float((one * one.grad).sum()) for one in outputs)
        handed = sum(float((one * one.grad).sum()) for one in module.parameters() if one.grad is not None)
        assert handed == pytest.approx(arrived, abs=1e-3)


def mlp() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))


def test_relevance_of_an_mlp_is_that_of_a_plain_loop() -> None:
    model, x, epsilon = mlp(), torch.randn(7, 5), 0.05
    names = [name for name, _ in model.named_parameters()]
    options = ScoringOptions(epsilon=epsilon, explain="loss")
    found = score(
        model, [{"input": x}], ["LayerLRPGrad"], options=options, prunable=names,
        loss_fn=lambda model, batch: model(**batch).sum(),
    )["LayerLRPGrad"]  # fmt: skip
    parameters = [one.detach().double().numpy() for one in model.parameters()]
    values = [x.double().numpy()]
    for place in (0, 2, 4):
        z = values[-1] @ parameters[place].T + parameters[place + 1]
        values += [z, {0: lambda z: np.maximum(z, 0), 2: np.tanh, 4: lambda z: z}[place](z)]
    arriving = values[-1]  # relevance of the output
    for layer in (2, 1, 0):
        a, z = values[2 * layer], values[2 * layer + 1]
        w, b = parameters[2 * layer], parameters[2 * layer + 1]
        share = arriving / (z + np.where(z < 0, -epsilon, epsilon))
        flows = w[None] * a[:, None] * share[:, :, None]  # (rows, out, in)
        np.testing.assert_allclose(found[f"{2 * layer}.weight"], abs(flows.sum(0)), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found[f"{2 * layer}.bias"], abs((b * share).sum(0)), rtol=1e-3, atol=1e-5)
        arriving = flows.sum(1)


@pytest.mark.parametrize("reference", ["padding", "zero"])
@pytest.mark.parametrize("explain", ["logit", "loss"])
@pytest.mark.parametrize("model_type", EVERY)
def test_differences_add_up_to_that_from_the_reference(model_type: str, explain: str, reference: str) -> None:
    model = tiny(model_type, dropout=0.0).double()  # multipliers are large where a reference hardly varies
    batch = tiny_batches(model, size=3)[0]
    embedded: list[Tensor] = []

    def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if len(output) == 2 * len(batch["labels"]):
            output.retain_grad()
            embedded.append(output)

    def of(given: dict[str, Tensor]) -> Tensor:
        output = model(**given)
        return output.loss if explain == "loss" else of_targets(output.logits, given["labels"])

    hooks = [one.register_forward_hook(note) for one in model.modules() if isinstance(one, nn.Embedding)]
    with differences(model, reference):
        explained = of(batch)
        explained.backward()
    for hook in hooks:
        hook.remove()
    assert embedded
    with torch.no_grad():
        assert explained.item() == pytest.approx(of(batch).item(), abs=1e-5)
    if reference == "padding":
        other = {**batch, "input_ids": torch.full_like(batch["input_ids"], model.config.pad_token_id)}
        with torch.no_grad():
            difference = explained.item() - of(other).item()
        # The multiplier in the first half, its negative in the second.
        assert sum(float((one * one.grad).sum()) for one in embedded) == pytest.approx(difference, abs=1e-5)
        assert abs(difference) > 1e-3


def test_multipliers_of_an_mlp_are_those_of_a_plain_loop() -> None:
    """w · g̃ = w · Σ m (x − x_ref)ᵀ, m by the rescale rule, with a reference of 0; it adds up as well."""
    model, x = mlp(), torch.randn(7, 5)
    names = [name for name, _ in model.named_parameters()]
    found = score(
        model, [{"input": x}], ["LayerDeepLiftGrad"], prunable=names,
        loss_fn=lambda model, batch: model(**batch).sum(),
    )["LayerDeepLiftGrad"]  # fmt: skip
    parameters = [one.detach().double().numpy() for one in model.parameters()]
    activations = [lambda z: np.maximum(z, 0), np.tanh, lambda z: z]
    runs = []
    for start in (x.double().numpy(), np.zeros((7, 5))):
        values = [start]
        for layer in range(3):
            z = values[-1] @ parameters[2 * layer].T + parameters[2 * layer + 1]
            values += [z, activations[layer](z)]
        runs.append(values)
    m = np.ones((7, 1))
    for layer in (2, 1, 0):
        (a, z, y), (a_ref, z_ref, y_ref) = (run[2 * layer : 2 * layer + 3] for run in runs)
        m = m * (y - y_ref) / (z - z_ref)
        w, b = parameters[2 * layer], parameters[2 * layer + 1]
        expected = abs(w * (m.T @ (a - a_ref)))
        np.testing.assert_allclose(found[f"{2 * layer}.weight"], expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found[f"{2 * layer}.bias"], abs(b * m.sum(0)), rtol=1e-3, atol=1e-5)
        m = m @ w
    total = (m * (runs[0][0] - runs[1][0])).sum()
    assert total == pytest.approx((runs[0][-1] - runs[1][-1]).sum())


class Sines(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.inner(x))


@pytest.mark.parametrize("name", ["LRP", "DeepLift"])
def test_an_operation_without_a_rule_is_refused_by_name(name: str) -> None:
    model = Sines()
    with pytest.raises(ScoringError, match=r"no rule for torch's 'sin', which Sines computes with"):
        score(
            model, [{"x": torch.rand(2, 3)}], [f"Layer{name}Grad"], prunable=["inner.weight"],
            loss_fn=lambda model, batch: model(**batch).sum(), options=ScoringOptions(explain="loss"),
        )  # fmt: skip
    assert "forward" not in vars(model)


@pytest.mark.parametrize(
    "name", ["LRPGrad", "DeepLiftGrad", "IntegratedGrad", "LRPGradCAM", "DeepLiftFisher"]
)
def test_they_combine_with_criteria_and_leave_the_model_as_it_was(name: str) -> None:
    model = tiny("bert")
    batches = tiny_batches(model, 1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    options = ScoringOptions(points=2)
    beside = [f"Layer{name}", "LayerMagGrad"]
    found = score(model, batches, beside, options=options)
    alone = score(model, batches, ["LayerMagGrad"])["LayerMagGrad"]
    assert all(torch.equal(found["LayerMagGrad"][tensor], alone[tensor]) for tensor in alone)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert "forward" not in vars(model)
    assert not any(module._forward_hooks for module in model.modules())
    assert max(float(value.max()) for value in found[beside[0]].values()) > 0


def test_integrated_gradients_are_complete() -> None:
    """Σ w · ḡ → L(w) − L(0)."""
    model = tiny("bert", dropout=0.0)
    batch = tiny_batches(model)[0]
    parameters = prunable_parameters(model)

    def loss_at(scale: float) -> float:
        values = {name: one.detach() * scale for name, one in parameters.items()}
        with torch.no_grad():
            return float(torch.func.functional_call(model, values, kwargs=dict(batch)).loss)

    difference = loss_at(1) - loss_at(0)
    missed = []
    for points in (2, 32):
        mean = {name: torch.zeros_like(one) for name, one in parameters.items()}
        for k in range(points):
            values = {
                n: (one.detach() * (k + 0.5) / points).requires_grad_() for n, one in parameters.items()
            }
            loss = torch.func.functional_call(model, values, kwargs=dict(batch)).loss
            for name, gradient in zip(values, torch.autograd.grad(loss, list(values.values())), strict=True):
                mean[name] += gradient / points
        scores = score(model, [batch], ["LayerIntegratedGrad"], options=ScoringOptions(points=points))
        for name, parameter in parameters.items():
            expected = (parameter.detach() * mean[name]).abs()
            torch.testing.assert_close(scores["LayerIntegratedGrad"][name], expected, rtol=1e-3, atol=1e-6)
        total = sum(float((parameters[name].detach() * mean[name]).sum()) for name in parameters)
        missed.append(abs(total - difference))
    assert missed[1] < min(0.01 * abs(difference), missed[0])


def test_a_logit_is_explained_instead_of_the_loss_where_asked_for() -> None:
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    for name in ("LayerMagGrad", "LayerGradCAM"):
        found = score(model, [batch], [name], options=ScoringOptions(explain="logit"))[name]
        plain = score(model, [batch], [name])[name]
        assert any(not torch.allclose(found[tensor], plain[tensor], rtol=1e-2) for tensor in found)
    model.zero_grad()
    logits = model(**batch).logits
    logits[torch.arange(4), batch["labels"]].mean().backward()
    found = score(model, [batch], ["LayerMagGrad"], options=ScoringOptions(explain="logit"))["LayerMagGrad"]
    for tensor, value in found.items():
        parameter = model.get_parameter(tensor)
        torch.testing.assert_close(value, (parameter * parameter.grad).abs().detach(), rtol=1e-4, atol=1e-7)


def test_what_is_explained_must_be_there() -> None:
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    with pytest.raises(
        InputError, match="explain: got 'logit', but with a loss_fn of your own it must be loss"
    ):
        score(model, [batch], ["LayerMagGrad"], loss_fn=lambda model, batch: model(**batch).loss,
              options=ScoringOptions(explain="logit"))  # fmt: skip
    with pytest.raises(InputError, match="compile: got True, but explain must be loss"):
        ScoringOptions(compile=True, explain="logit")
    with pytest.raises(
        ScoringError, match=r"labels of shape \(2, 3\) name no targets of logits of shape \(2, 4\)"
    ):
        of_targets(torch.zeros(2, 4), torch.zeros(2, 3))
