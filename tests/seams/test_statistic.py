"""A statistic, a criterion that needs it, and an option of its own, added from outside of the package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from launches import launch
from models import tiny, tiny_batches
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from deepcuts import (
    ScoreRequest,
    Scores,
    ScoringOptions,
    Strategy,
    prunable_parameters,
    score,
    score_requests,
)
from deepcuts.common.errors import InputError
from deepcuts.scoring import scoring_options


@pytest.fixture
def wanda(registry: None) -> ModuleType:
    """Registered for one test."""
    sys.modules.pop("seams.wanda", None)
    return importlib.import_module("seams.wanda")


def input_norms(
    model: PreTrainedModel, batches: list[dict[str, Tensor]], padding: bool
) -> dict[str, tuple[NDArray[np.float64], float]]:
    """Of each linear layer: norms over all counted tokens of all batches, and how many there were."""
    rows: dict[str, list[NDArray[np.float64]]] = {}
    for batch in batches:
        counted = batch["attention_mask"].numpy().astype(bool) | padding

        def see(name: str, inputs: Tensor, counted: NDArray[np.bool_] = counted) -> None:
            values = inputs.double().numpy()
            rows.setdefault(name, []).append(values[counted] if values.ndim == 3 else values)

        hooks = [
            module.register_forward_hook(lambda _m, inputs, _o, name=name: see(name, inputs[0]))
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear)
        ]
        with torch.no_grad():
            model(**batch)
        for hook in hooks:
            hook.remove()
    seen = {name: np.concatenate(parts) for name, parts in rows.items()}
    return {name: (np.sqrt((values**2).sum(0)), float(len(values))) for name, values in seen.items()}


def reference(
    model: PreTrainedModel, batches: list[dict[str, Tensor]], *, padding: bool = False, power: float = 1.0
) -> dict[str, NDArray[np.float64]]:
    norms = input_norms(model, batches, padding)
    found = {}
    for name, parameter in prunable_parameters(model).items():
        values = np.abs(parameter.detach().double().numpy())
        norm, count = norms[name.rpartition(".")[0]]
        found[name] = values * (norm[None] if values.ndim == 2 else np.sqrt(count)) ** power
    return found


@pytest.mark.parametrize("padding", [False, True])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_scores_are_those_of_plain_numpy(wanda: ModuleType, padding: bool, power: float) -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    options = ScoringOptions(padding=padding, norm_power=power)
    scores = score(model, batches, ["LayerPowerWanda"], options=options)["LayerPowerWanda"]
    for name, expected in reference(model, batches, padding=padding, power=power).items():
        assert scores[name].dtype is torch.float32
        np.testing.assert_allclose(scores[name].numpy(), expected, rtol=1e-5)
    assert (scores.batches, scores.examples) == (3, 12)


def test_it_is_no_sum_over_batches(wanda: ModuleType) -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    whole = score(model, batches, ["LayerPowerWanda"])["LayerPowerWanda"]
    name = next(iter(whole))
    parts = sum(score(model, [batch], ["LayerPowerWanda"])["LayerPowerWanda"][name] for batch in batches)
    assert not torch.allclose(whole[name], torch.as_tensor(parts), rtol=0.1)


def test_other_scores_of_the_sweep_are_as_without_it_and_it_keeps_to_its_limit(wanda: ModuleType) -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    others = ["LayerGradCAM", "LayerSmoothGradCAM", "LayerMagWeight"]
    options = ScoringOptions(paths=2, max_batches=2)
    alone = score(model, batches, others, options=options)
    together = score(model, batches, [*others, "GlobalPowerWanda"], options=options)
    for name in others:
        assert all(torch.equal(together[name][tensor], alone[name][tensor]) for tensor in alone[name])
    assert together["GlobalPowerWanda"].batches == 2
    for name, expected in reference(model, batches[:2]).items():
        np.testing.assert_allclose(together["GlobalPowerWanda"][name].numpy(), expected, rtol=1e-5)


def test_it_costs_no_backward_pass_and_no_pass_beside_the_clean_one(wanda: ModuleType) -> None:
    model = tiny("bert")
    modes = []

    def loss_fn(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
        modes.append(torch.is_grad_enabled())
        return model(**batch).loss

    score(model, tiny_batches(model), ["LayerPowerWanda"], loss_fn=loss_fn)
    assert modes == [False] * 3
    score(model, tiny_batches(model), ["LayerPowerWanda", "LayerMagGrad"], loss_fn=loss_fn)
    assert modes[3:] == [True] * 3


def test_two_processes_find_what_one_does(wanda: ModuleType, tmp_path: Path) -> None:
    """Also of one batch, of which the second process gets none."""
    counts = [3, 1]
    script = tmp_path / "program.py"
    script.write_text(f"""
import torch.distributed as dist
import seams.wanda
from models import tiny, tiny_batches
from deepcuts import score
dist.init_process_group("gloo")
model = tiny("bert")
for count in {counts}:
    found = score(model, tiny_batches(model, count=count), ["LayerPowerWanda"], distributed=True)
    found["LayerPowerWanda"].save(f"{tmp_path}/{{count}}-{{dist.get_rank()}}.safetensors")
dist.destroy_process_group()
""")
    done = launch([str(script)])
    assert done.returncode == 0, done.stderr
    model = tiny("bert")
    for count in counts:
        first, second = (Scores.load(tmp_path / f"{count}-{rank}.safetensors") for rank in (0, 1))
        assert first.batches == second.batches == count
        for name, expected in reference(model, tiny_batches(model, count=count)).items():
            assert torch.equal(first[name], second[name])
            np.testing.assert_allclose(first[name].numpy(), expected, rtol=1e-5)


def test_its_option_is_found_wherever_options_are(wanda: ModuleType, tmp_path: Path) -> None:
    assert wanda.POWER in scoring_options()
    assert ScoringOptions().norm_power == 1.0
    assert ScoringOptions(norm_power=2).as_dict()["norm_power"] == 2.0
    with pytest.raises(InputError, match=r"^norm_power: got 0.*above 0"):
        ScoringOptions(norm_power=0)
    strategy = Strategy.parse("GlobalPowerWanda")
    assert {option.name for option in strategy.options} == {
        "norm_power", "padding", "max_batches", "dropout", "precision", "compile",
    }  # fmt: skip
    assert wanda.POWER not in Strategy.parse("LayerMagGrad").options
    model = tiny("bert")
    options = ScoringOptions(norm_power=2, shift=3)
    scores = score(model, tiny_batches(model), ["LayerPowerWanda"], options=options)["LayerPowerWanda"]
    assert scores.options == ScoringOptions(norm_power=2)
    assert scores.provenance["options"]["norm_power"] == 2.0
    scores.save(tmp_path / "scores")
    assert Scores.load(tmp_path / "scores").options == scores.options


def test_scores_of_others_are_read_where_it_is_unknown(tmp_path: Path) -> None:
    """Their file says at what they were, but they don't depend on it."""
    model = tiny("bert")
    scores = score(model, tiny_batches(model), ["LayerMagGrad"])["LayerMagGrad"]

    class Elsewhere(ScoringOptions):
        def as_dict(self) -> dict[str, object]:
            return {**super().as_dict(), "norm_power": 1.0}

    object.__setattr__(scores, "options", Elsewhere())
    scores.save(tmp_path / "scores")
    assert Scores.load(tmp_path / "scores").options == ScoringOptions()


def test_two_limits_in_one_sweep_are_two_accumulators(wanda: ModuleType) -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    requests = {
        limit: ScoreRequest(Strategy.parse("LayerPowerWanda"), ScoringOptions(max_batches=limit))
        for limit in (1, 2)
    }
    found = score_requests(model, batches, list(requests.values()))
    for limit, request in requests.items():
        for name, expected in reference(model, batches[:limit]).items():
            np.testing.assert_allclose(found[request][name].numpy(), expected, rtol=1e-5)
