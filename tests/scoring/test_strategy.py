from __future__ import annotations

import pytest
import torch

from deepcuts import ParamStats, ScoringOptions, Strategy, score, strategy_names
from deepcuts.common.errors import InputError
from deepcuts.masks import all_allocations
from deepcuts.scoring.criteria import REGISTRY, InPaper, criterion
from deepcuts.scoring.strategy import paper_strategies, paper_titles

OF_THE_PAPER = {
    "LayerMagWeight": Strategy("MagWeight", "tensor"),
    "GlobalMagWeight": Strategy("MagWeight", "global"),
    "LayerMagGrad": Strategy("MagGrad", "tensor"),
    "LayerGradCAM": Strategy("GradCAM", "tensor"),
    "LayerGradCAMShift": Strategy("GradCAMShift", "tensor"),
    "LayerSmoothGrad": Strategy("MagGrad", "tensor", gradient="Smooth"),
    "LayerSmoothGradCAM": Strategy("GradCAM", "tensor", gradient="Smooth"),
    "LayerSmoothGradCAMShift": Strategy("GradCAMShift", "tensor", gradient="Smooth"),
}


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_the_papers_strategies_are_points_on_the_axes(name: str) -> None:
    assert Strategy.parse(name) == OF_THE_PAPER[name]
    assert str(OF_THE_PAPER[name]) == name
    assert name in strategy_names()


@pytest.mark.parametrize("prefix", ["", "Inverted"])
@pytest.mark.parametrize("name", strategy_names())
def test_every_name_is_printed_as_it_was_read(name: str, prefix: str) -> None:
    strategy = Strategy.parse(prefix + name)
    assert str(strategy) == prefix + name
    assert Strategy.parse(str(strategy)) == strategy
    assert strategy.inverted is bool(prefix)


def test_every_point_on_the_axes_has_a_name_of_its_own() -> None:
    points = [
        Strategy(entry.name, scope, gradient, inverted)
        for entry in REGISTRY.values()
        for scope in [one.scope for one in all_allocations()]
        for gradient in entry.score_names.values()
        for inverted in (False, True)
    ]
    names = [str(point) for point in points]
    assert len(set(names)) == len(names)
    assert [Strategy.parse(name) for name in names] == points
    assert {name for name in names if not name.startswith("Inverted")} == set(strategy_names())


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Cam-Cut", "LayerGradCAMShift"),
        ("Smooth-Cut", "LayerSmoothGrad"),
        ("Smooth-Cam-Cut", "LayerSmoothGradCAMShift"),
    ],
)
def test_titles_of_the_paper_are_read(title: str, name: str) -> None:
    assert str(Strategy.parse(title)) == name
    assert paper_titles()[title] == name


@pytest.mark.usefixtures("registry")
def test_a_criterion_says_whether_it_is_a_control_and_where_it_stands_in_the_paper() -> None:
    assert paper_strategies() == [
        "LayerMagWeight", "GlobalMagWeight", "LayerMagGrad", "LayerGradCAM", "LayerGradCAMShift",
        "LayerSmoothGrad", "LayerSmoothGradCAM", "LayerSmoothGradCAMShift",
    ]  # fmt: skip
    controls = [name for name in strategy_names() if Strategy.parse(name).is_control]
    assert {Strategy.parse(name).criterion for name in controls} == {"Random"}
    assert Strategy.parse("InvertedLayerMagGrad").is_control

    @criterion("Ones", formula="1", source="a test", control=True, in_paper=[InPaper("LayerOnes", 0, "One")])
    def ones(stats: ParamStats, options: ScoringOptions) -> torch.Tensor:
        return torch.ones_like(stats.value)

    assert Strategy.parse("One") == Strategy("Ones")
    assert Strategy.parse("LayerOnes").is_control
    assert paper_strategies()[0] == "LayerOnes"


@pytest.mark.parametrize(
    ("name", "scope", "printed"),
    [
        ("Random", "tensor", "Random"),
        ("LayerRandom", "tensor", "Random"),
        ("GlobalRandom", "global", "GlobalRandom"),
        ("InvertedRandom", "tensor", "InvertedRandom"),
        ("InvertedGlobalRandom", "global", "InvertedGlobalRandom"),
    ],
)
def test_random_may_do_without_a_scope(name: str, scope: str, printed: str) -> None:
    strategy = Strategy.parse(name)
    assert (strategy.criterion, strategy.scope) == ("Random", scope)
    assert str(strategy) == printed


@pytest.mark.parametrize(
    ("name", "score_name"),
    [
        ("LayerMagGrad", "MagGrad"),
        ("InvertedGlobalMagGrad", "MagGrad"),
        ("GlobalSmoothGrad", "SmoothGrad"),
        ("LayerSmoothGradCAMReLU", "SmoothGradCAMReLU"),
        ("LayerMagWeight", "MagWeight"),
    ],
)
def test_the_score_is_the_name_without_scope_and_inversion(name: str, score_name: str) -> None:
    assert Strategy.parse(name).score == score_name


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("LayerGradCamShift", "LayerGradCAMShift"),
        ("layermagweight", "LayerMagWeight"),
        ("GlobalMagGrads", "GlobalMagGrad"),
        ("MagWeight", "LayerMagWeight"),  # the scope must be named
        ("CamCut", "Cam-Cut"),
        ("random", "Random"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError) as caught:
        Strategy.parse(name)
    message = str(caught.value)
    assert message.startswith(f"strategy: got {name!r}")
    assert nearest in message.partition("the nearest: ")[2].split(", ")


@pytest.mark.parametrize("name", ["", "Layer", "Global", "Inverted", "LayerLayerMagGrad", "xyzzy", "42"])
def test_a_name_like_none_of_them_is_refused_with_all_or_some(name: str) -> None:
    with pytest.raises(InputError, match=r"the nearest: \w+"):
        Strategy.parse(name)


@pytest.mark.parametrize(
    "name", ["LayerInvertedMagGrad", "InvertedInvertedLayerMagGrad", "LayerSmoothMagWeight", " LayerMagGrad"]
)
def test_words_in_another_order_or_twice_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        Strategy.parse(name)


@pytest.mark.usefixtures("registry")
def test_a_new_criterion_has_all_its_strategies_at_once() -> None:
    @criterion("Squared", needs=["gradient"], formula="w² · g²", source="a test")
    def squared(stats: ParamStats, options: ScoringOptions) -> torch.Tensor:
        return stats.taylor.square()

    new = ["LayerSquared", "GlobalSquared", "RowSquared", "LayerSmoothSquared", "GlobalSmoothSquared"]
    assert set(new) <= set(strategy_names())
    for name in new:
        assert str(Strategy.parse(name)) == name
    assert Strategy.parse("GlobalSmoothSquared") == Strategy("Squared", "global", gradient="Smooth")
    with pytest.raises(InputError, match="LayerSquared"):
        Strategy.parse("LayerSquare")

    model = torch.nn.Linear(2, 1, bias=False)
    batch = {"x": torch.tensor([[2.0, -3.0]])}
    found = score(
        model, [batch], ["LayerSquared"], loss_fn=lambda m, b: m(b["x"]).sum(), prunable=["weight"]
    )["LayerSquared"]
    expected = (model.weight.detach() * batch["x"]).square()
    torch.testing.assert_close(found["weight"], expected)


def test_a_criterion_of_a_test_is_forgotten_after_it() -> None:
    assert "Squared" not in REGISTRY
    assert not [name for name in strategy_names() if "Squared" in name]
