from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor

from deepcuts import Masks, Scores, ScoringOptions, Strategy, score
from deepcuts.common.errors import FileFormatError, InputError, ScoringError
from deepcuts.scoring.scores import ModelIdentity


@pytest.fixture(scope="module")
def found() -> dict[str, Scores]:
    model = tiny("bert")
    options = ScoringOptions(paths=2, noise_std=0.07, max_batches=2)
    names = ["GlobalSmoothGradCAM", "InvertedLayerMagGrad", "Random"]
    return score(model, tiny_batches(model), names, seed=2**32 - 1, options=options)


@pytest.mark.parametrize("name", ["GlobalSmoothGradCAM", "InvertedLayerMagGrad", "Random"])
def test_scores_come_back_from_a_file_with_all_that_they_were_made_from(
    found: dict[str, Scores], name: str, tmp_path: Path
) -> None:
    scores = found[name]
    scores.save(tmp_path / "scores")
    loaded = Scores.load(tmp_path / "scores")
    assert list(loaded) == list(scores), "the order decides between equal scores"
    for tensor, value in scores.items():
        assert loaded[tensor].dtype is torch.float32
        assert torch.equal(loaded[tensor], value)
    assert loaded.provenance == scores.provenance
    assert (loaded.strategy, loaded.options, loaded.model) == (scores.strategy, scores.options, scores.model)


def test_scores_from_elsewhere_come_back(tmp_path: Path) -> None:
    scores = Scores({"z": torch.rand(3), "a": torch.rand(()), "m": torch.rand(0, 2)}, Strategy("MagWeight"))
    scores.save(tmp_path / "deep" / "scores")
    loaded = Scores.load(tmp_path / "deep" / "scores")
    assert list(loaded) == ["z", "a", "m"]
    assert all(torch.equal(loaded[name], value) for name, value in scores.items())
    assert loaded.model is None


def test_a_mask_file_is_no_score_file(tmp_path: Path) -> None:
    Masks({"a": torch.ones(3, dtype=torch.bool)}).save(tmp_path / "masks")
    with pytest.raises(FileFormatError, match="holds 'masks', not scores"):
        Scores.load(tmp_path / "masks")


def test_a_score_file_that_was_altered_is_refused(found: dict[str, Scores], tmp_path: Path) -> None:
    found["Random"].save(tmp_path / "scores")
    content = bytearray((tmp_path / "scores").read_bytes())
    content[-3] ^= 1
    (tmp_path / "altered").write_bytes(content)
    with pytest.raises(FileFormatError, match="was altered"):
        Scores.load(tmp_path / "altered")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_are_reported_with_strategy_and_tensor(bad: float) -> None:
    scores = Scores({"fine": torch.ones(2), "bad.weight": torch.tensor([0.0, bad])}, Strategy("GradCAM"))
    with pytest.raises(ScoringError, match=r"LayerGradCAM: the scores of 'bad\.weight' hold NaN or infinity"):
        scores.check_finite()
    Scores({"fine": torch.ones(2)}, Strategy("GradCAM")).check_finite()


def test_scores_from_elsewhere_were_made_from_nothing() -> None:
    scores = Scores({"a": torch.ones(2)}, Strategy("GradCAM"))
    assert (scores.batches, scores.examples, scores.seed, scores.model) == (0, 0, 0, None)
    with pytest.raises(FrozenInstanceError):
        scores.strategy = Strategy("MagGrad")  # type: ignore[misc]
    assert "tensor" not in repr(scores).replace("scope='tensor'", ""), "millions of numbers in a message"


def values_of(scores: Scores) -> dict[str, list[float]]:
    return {name: value.tolist() for name, value in scores.items()}


def plain(strategy: str = "LayerMagGrad") -> Scores:
    tensors: dict[str, Tensor] = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([0.5])}
    return Scores(tensors, Strategy.parse(strategy), batches=3, examples=9, seed=5)


def test_under_another_scope_the_values_are_the_same_tensors() -> None:
    scores = plain()
    other = scores.under(Strategy.parse("GlobalMagGrad"))
    assert str(other.strategy) == "GlobalMagGrad"
    assert all(other[name] is scores[name] for name in scores)
    assert (other.batches, other.examples, other.seed) == (3, 9, 5)
    assert str(scores.strategy) == "LayerMagGrad"


def test_under_inversion_the_values_are_negated_and_back_again() -> None:
    scores = plain()
    inverted = scores.under(Strategy.parse("InvertedGlobalMagGrad"))
    assert values_of(inverted) == {"a": [-1, -2], "b": [-0.5]}
    assert values_of(inverted.under(Strategy.parse("InvertedLayerMagGrad"))) == values_of(inverted)
    assert values_of(inverted.under(Strategy.parse("LayerMagGrad"))) == values_of(scores)
    assert values_of(scores) == {"a": [1, 2], "b": [0.5]}


@pytest.mark.parametrize("other", ["LayerMagWeight", "LayerSmoothGrad", "GlobalGradCAM", "Random"])
def test_under_another_criterion_or_smoothing_is_refused(other: str) -> None:
    with pytest.raises(InputError, match=f"strategy: got '{other}'.*of LayerMagGrad"):
        plain().under(Strategy.parse(other))


def test_identity_counts_shared_parameters_once() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    identity = ModelIdentity.of(model, {"0.weight": model[0].weight})
    assert (identity.name, identity.architecture) == ("Sequential", None)
    assert (identity.parameters, identity.prunable) == (9 + 3 + 3, 9)


def test_scores_are_equal_if_tensors_and_what_they_were_made_from_are(tmp_path: Path) -> None:
    scores = plain()
    scores.save(tmp_path / "scores")
    for same in (plain(), Scores.load(tmp_path / "scores")):
        assert scores == same
        assert hash(scores) == hash(same)
    different = [
        plain("GlobalMagGrad"),
        replace(scores, seed=6),
        replace(scores, options=ScoringOptions(shift=1.0)),
        replace(scores, tensors={"b": scores["b"], "a": scores["a"]}),
        replace(scores, tensors={**scores.tensors, "b": torch.tensor([0.25])}),
        replace(scores, tensors={**scores.tensors, "b": scores["b"].double()}),
    ]
    assert all(scores != one for one in different)
    assert scores != scores.tensors
    assert len({scores, plain(), *different}) == 7
