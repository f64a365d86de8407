"""What every registered criterion must do; a new one is checked by being registered."""

from __future__ import annotations

import inspect
import sys

import pytest
import torch

from deepcuts import ScoringOptions
from deepcuts.scoring.criteria import REGISTRY, Criterion, criterion
from deepcuts.scoring.gradients import REGISTRY as GRADIENTS
from deepcuts.scoring.param_stats import ParamStats
from deepcuts.scoring.statistics import GradientStatistic, statistic

OPTIONS = ScoringOptions()
SHAPES = {"weight": ((5, 3), (5, 1)), "bias": ((5,), (5,))}
CASES = pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
EVERY = pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)


def stats_for(
    entry: Criterion, shapes: tuple[tuple[int, ...], ...], *, declared_only: bool = True
) -> ParamStats:
    """Random statistics, negative ones among them; None for those that the criterion did not declare."""
    generator = torch.Generator().manual_seed(1)
    value, gradient, activation = (
        torch.randn(shape, generator=generator) for shape in (shapes[0], shapes[0], shapes[1])
    )
    wanted = entry.needs if declared_only else {"gradient", "activation", *entry.needs}
    return ParamStats(
        value=value,
        gradient=gradient if "gradient" in wanted else None,
        activation=activation if "activation" in wanted else None,
        seed=3,
        # Of others, sums of squares and sizes; none of them is 0.
        others={name: gradient.abs() + 0.1 for name in wanted - {"gradient", "activation"}},
    )


@EVERY
@CASES
def test_importances_are_shaped_like_the_tensor_finite_and_not_negative(entry, shapes) -> None:
    found = entry.function(stats_for(entry, shapes), OPTIONS)
    assert found.shape == shapes[0]
    assert torch.isfinite(found).all()
    assert (found >= 0).all()
    assert found.max() > 0


@EVERY
@CASES
def test_statistics_are_left_as_they_were(entry, shapes) -> None:
    stats = stats_for(entry, shapes)
    before = [None if tensor is None else tensor.clone() for tensor in tensors_of(stats)]
    entry.function(stats, OPTIONS)
    for tensor, copy in zip(tensors_of(stats), before, strict=True):
        assert tensor is None or torch.equal(tensor, copy)


@EVERY
def test_only_the_options_that_a_formula_declares_change_it(entry: Criterion) -> None:
    changes = {"shift": 3.0, "noise_std": 9.0, "paths": 3, "dropout": True, "padding": True, "max_batches": 2}
    changes |= {"max_smooth_batches": 2, "precision": "bf16", "gram_dampening": 0.5, "block_size": 3}
    changes |= {"fisher_dampening": 0.5, "points": 2, "epsilon": 0.5, "attention_relevance": "constant"}
    changes |= {"reference": "zero", "explain": "logit"}
    assert changes.keys() == set(OPTIONS.as_dict()) - {"compile"}
    own = {option.name for option in entry.options}
    before = entry.function(stats_for(entry, SHAPES["weight"]), OPTIONS)
    for name, value in changes.items():
        after = entry.function(stats_for(entry, SHAPES["weight"]), OPTIONS.replace(**{name: value}))
        assert torch.equal(before, after) is (name not in own), name


@pytest.mark.parametrize(
    "entry", [entry for entry in REGISTRY.values() if entry.by_row], ids=lambda entry: entry.name
)
def test_a_formula_that_says_so_can_be_given_some_rows_at_a_time(entry: Criterion) -> None:
    stats = stats_for(entry, SHAPES["weight"])
    blocks = [entry.function(stats.rows(slice(start, start + 2)), OPTIONS) for start in range(0, 5, 2)]
    assert torch.equal(torch.cat(blocks), entry.function(stats, OPTIONS))


def test_the_projects_own_formulas_that_read_data_work_by_rows() -> None:
    by_row = {entry.name for entry in REGISTRY.values() if entry.by_row}
    assert by_row >= {"MagGrad", "GradCAM", "GradCAMShift", "GradCAMReLU"}


def tensors_of(stats: ParamStats) -> list[torch.Tensor | None]:
    return [stats.value, stats.gradient, stats.activation, *stats.others.values()]


@EVERY
@CASES
def test_importances_never_alias_a_statistic(entry, shapes) -> None:
    """They are added to and scaled in place, which must not reach the model's weights."""
    stats = stats_for(entry, shapes)
    found = entry.function(stats, OPTIONS)
    for tensor in tensors_of(stats):
        assert tensor is None or found.data_ptr() != tensor.data_ptr()


@EVERY
@CASES
def test_what_is_not_declared_is_not_read(entry, shapes) -> None:
    declared = entry.function(stats_for(entry, shapes), OPTIONS)
    given_more = entry.function(stats_for(entry, shapes, declared_only=False), OPTIONS)
    assert torch.equal(declared, given_more)


@EVERY
def test_what_is_declared_is_read(entry) -> None:
    """Declaring a statistic that is not used would cost a backward pass for nothing."""
    shapes = SHAPES["weight"]
    stats = stats_for(entry, shapes)
    for needed in entry.needs:
        others = {name: value for name, value in stats.others.items() if name != needed}
        lacking = {} if needed in stats.others else {needed: None}
        without = ParamStats(**{**vars(stats), **lacking, "others": others})
        with pytest.raises(AssertionError, match="did not declare"):
            entry.function(without, OPTIONS)


@EVERY
@CASES
def test_the_same_statistics_give_the_same_importances(entry, shapes) -> None:
    first, second = (entry.function(stats_for(entry, shapes), OPTIONS) for _ in range(2))
    assert torch.equal(first, second)


@EVERY
def test_formula_and_source_are_there_for_people(entry) -> None:
    assert entry.formula
    assert entry.source
    module = sys.modules[entry.function.__module__]
    documentation = f"{inspect.getdoc(module)}"
    assert "Formula:" in documentation
    assert "Source:" in documentation
    assert inspect.getdoc(entry.function)


@EVERY
def test_a_criterion_combines_with_every_gradient_exactly_where_it_reads_one(entry) -> None:
    reads = entry.needs & {"gradient", "squared_gradient", "gradient_size", "fisher_blocks"}
    assert set(entry.score_names.values()) == (set(GRADIENTS) if reads else {""})


def test_names_of_all_forms_are_different() -> None:
    names = [name for entry in REGISTRY.values() for name in entry.score_names]
    assert len(names) == len(set(names))


def test_the_criteria_of_the_paper_are_registered() -> None:
    found = {
        name: (
            sorted(entry.needs),
            next((n for n, part in entry.score_names.items() if part == "Smooth"), None),
        )
        for name, entry in REGISTRY.items()
    }
    expected = {
        "GradCAM": (["activation", "gradient"], "SmoothGradCAM"),
        "GradCAMReLU": (["activation", "gradient"], "SmoothGradCAMReLU"),
        "GradCAMShift": (["activation", "gradient"], "SmoothGradCAMShift"),
        "MagGrad": (["gradient"], "SmoothGrad"),
        "MagWeight": ([], None),
        "Random": ([], None),
    }
    assert {name: found.get(name) for name in expected} == expected  # there may be more: adding one is a file


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("name", "short_name", "taken"),
    [
        ("MagGrad", None, "MagGrad"),
        ("SmoothGrad", None, "SmoothGrad"),
        ("New", "GradCAM", "GradCAM"),
        ("New", "Grad", "Grad"),
    ],
)
def test_a_name_that_is_taken_is_refused(name: str, short_name: str | None, taken: str) -> None:
    before = dict(REGISTRY)
    with pytest.raises(ValueError, match=rf"'\w*{taken}' is registered already"):
        criterion(name, needs=["gradient"], formula="f", source="s", short_name=short_name)(
            lambda stats, options: stats.value
        )
    assert before == REGISTRY


@pytest.mark.usefixtures("registry")
def test_the_decorator_returns_the_function_itself() -> None:
    def ones(stats: ParamStats, options: ScoringOptions) -> torch.Tensor:
        return torch.ones_like(stats.value)

    assert criterion("Ones", formula="1", source="a test")(ones) is ones
    assert REGISTRY["Ones"].function is ones


@pytest.mark.usefixtures("registry")
def test_a_statistic_that_is_not_registered_is_refused() -> None:
    with pytest.raises(ValueError, match="no statistic named 'gradients'"):
        criterion("New", needs=["gradients"], formula="f", source="s")(lambda stats, options: stats.value)
    assert "New" not in REGISTRY


@pytest.mark.usefixtures("registry")
def test_gradients_of_batches_and_of_examples_do_not_mix() -> None:
    @statistic("summed")
    class Summed(GradientStatistic):
        def update(self, gradient: torch.Tensor) -> None: ...

        def compute(self, parameter: torch.Tensor) -> torch.Tensor:
            return parameter

    with pytest.raises(ValueError, match="gradients of batches and of single examples"):
        criterion("New", needs=["summed", "gradient_size"], formula="f", source="s")(
            lambda stats, options: stats.value
        )
    with pytest.raises(ValueError, match="'again' is of single examples"):
        statistic("again", per_batch=True)(REGISTRY["Fisher"].statistics[0])


@pytest.mark.usefixtures("registry")
def test_statistics_of_a_batch_and_accumulated_ones_do_not_mix() -> None:
    @statistic("summed")
    class Summed(GradientStatistic):
        def update(self, gradient: torch.Tensor) -> None: ...

        def compute(self, parameter: torch.Tensor) -> torch.Tensor:
            return parameter

    with pytest.raises(ValueError, match="of one batch and accumulated ones"):
        criterion("New", needs=["gradient", "summed"], formula="f", source="s")(
            lambda stats, options: stats.value
        )
    with pytest.raises(ValueError, match="a statistic named 'summed' is registered already"):
        statistic("summed")(Summed)
    assert "New" not in REGISTRY
