"""Allocations: the registry, and choices from outside of the package used by their names alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny
from runs import config, job

from deepcuts import Allocation, Budget, Masks, Scores, Strategy, allocation, score, select, strategy_names
from deepcuts.cli import main
from deepcuts.common import plugins
from deepcuts.common.errors import InputError, InvariantError
from deepcuts.masks import all_allocations, allocation_of, planned_counts
from deepcuts.runs.grid.worklist import cell_identity
from deepcuts.runs.steps import Cut

AT_LEAST = Path(__file__).with_name("at_least.py")


@pytest.fixture
def at_least(monkeypatch: pytest.MonkeyPatch, registry: None) -> None:
    """Lets the module beside this one be found, and forgets it."""
    plugins.load()
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    monkeypatch.setenv(plugins.VARIABLE, str(AT_LEAST))


def expected(scores: Mapping[str, torch.Tensor], count: int, least: int) -> dict[str, np.ndarray]:
    """A plain loop: the highest of every tensor, then the highest of what is left."""
    kept = {name: np.zeros(value.numel(), bool) for name, value in scores.items()}
    flat = {name: value.numpy().reshape(-1) for name, value in scores.items()}
    for name, value in flat.items():
        kept[name][np.argsort(-value, kind="stable")[:least]] = True
    rest = [(-flat[name][place], order, place, name)
            for order, name in enumerate(flat) for place in np.flatnonzero(~kept[name])]  # fmt: skip
    for _, _, place, name in sorted(rest)[: count - sum(int(one.sum()) for one in kept.values())]:
        kept[name][place] = True
    return kept


@pytest.mark.usefixtures("at_least")
@pytest.mark.parametrize("least", [None, 5])
def test_a_plugins_allocation_is_used_by_the_names_prefix(least: int | None) -> None:
    strategy = Strategy.parse("InvertedAtLeastMagWeight")
    assert (strategy.scope, str(strategy)) == ("at-least", "InvertedAtLeastMagWeight")
    assert "AtLeastMagWeight" in strategy_names()
    scores = score(tiny("bert"), [], ["AtLeastMagWeight"])["AtLeastMagWeight"]
    budget = Budget.from_density(0.1)
    if least is not None:
        budget = Budget(budget.density, budget.asked, options={"least": least})
    masks = select(scores, budget)
    wanted = expected(scores, round(0.1 * masks.total), least or 2)
    for name, mask in masks.items():
        assert mask.shape == scores[name].shape
        np.testing.assert_array_equal(mask.numpy().reshape(-1), wanted[name])
    about = masks.provenance["budget"]
    assert about["scope"] == "at-least"
    assert about.get("options") == ({"least": 5} if least else None)
    assert min(masks.kept_by_tensor.values()) >= (least or 2)
    other = select(scores, budget if least is None else Budget.from_density(0.1), "global")
    assert min(other.kept_by_tensor.values()) < 2, "else the floor does nothing here"


@pytest.mark.usefixtures("at_least")
def test_an_allocations_option_is_checked(tmp_path: Path) -> None:
    scores = Scores({"a": torch.rand(9)}, Strategy.parse("AtLeastMagWeight"))
    with pytest.raises(InputError, match=r"least: got -1, but it must be a whole number, 0 or more"):
        select(scores, Budget(Fraction(1, 2), "half", None, {"least": -1}))
    with pytest.raises(InputError, match="leest: got 1, but the options are least"):
        select(scores, Budget(Fraction(1, 2), "half", None, {"leest": 1}))
    scores.save(tmp_path / "scores")
    assert Scores.load(tmp_path / "scores") == scores


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["deepcuts", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(("by", "least"), [("strategy", 2), ("scope", 3)])
def test_the_command_takes_a_plugins_allocation_and_its_option(
    by: str,
    least: int,
    at_least: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "")
    made = config(tmp_path)
    given = ["--strategy", "AtLeastMagWeight"] if by == "strategy" else ["--strategy", "LayerMagWeight"]
    given += ["--scope", "at-least", "--least", least] if by == "scope" else []
    given += ["--model", made.model, "--density", 0.05, "--select-on", "dev", "--epochs", "1+1"]
    given += ["--train", made.data.train, "--dev", made.data.dev, "--text", "text", "--label", "target"]
    command = ["--plugin", AT_LEAST, "prune", *given, "-o", tmp_path / "run"]
    assert run(monkeypatch, *command, "--dry-run") == 0
    plan = capsys.readouterr().out
    assert f"{given[1]}, at-least scope" in plan
    assert plan.count("by score") == 26
    assert run(monkeypatch, *command, "--keep-scores") == 0
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    scores = Scores.load(tmp_path / "run" / "scores.safetensors")
    wanted = expected(scores, round(0.05 * masks.total), least)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask.numpy().reshape(-1), wanted[name])
    assert masks.provenance["budget"]["scope"] == "at-least"
    capsys.readouterr()
    assert run(monkeypatch, "inspect", tmp_path / "run") == 0
    assert "at-least scope" in capsys.readouterr().out


@pytest.mark.parametrize(("scope", "shown"), [("at-least", True), ("global", False), (None, False)])
def test_help_shows_the_options_of_the_scope_that_is_given(
    scope: str | None,
    shown: bool,
    at_least: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["--strategy", "LayerMagWeight", *(["--scope", scope] if scope else [])]
    assert run(monkeypatch, "prune", *given, "--help") == 0
    assert ("--least" in capsys.readouterr().out) == shown


@pytest.mark.usefixtures("registry")
def test_one_that_says_counts_alone_is_planned_and_cuts_by_them() -> None:
    @allocation
    class Largest(Allocation):
        name, scope, summary, source = "Largest", "largest", "the largest tensor gets all", "a test"

        def counts(
            self, shapes: Mapping[str, Sequence[int]], budget: Budget, options: Mapping[str, Any]
        ) -> dict[str, int]:
            sizes = {name: math.prod(shape) for name, shape in shapes.items()}
            largest = max(sizes, key=lambda name: sizes[name])
            return {name: budget.kept_in_all(sum(sizes.values())) * (name == largest) for name in sizes}

    values = {"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([[1.0, 5.0], [5.0, 2.0]])}
    budget = Budget.from_density(0.5)
    assert planned_counts({name: value.shape for name, value in values.items()}, budget, "largest") == {
        "a": 0, "b": 3
    }  # fmt: skip
    masks = select(Scores(values, Strategy.parse("LargestMagWeight")), budget)
    assert masks["a"].tolist() == [False, False]
    assert masks["b"].tolist() == [[False, True], [True, True]]


@pytest.mark.usefixtures("registry")
def test_one_that_misses_the_budget_is_an_error() -> None:
    @allocation
    class Everything(Allocation):
        name, scope, summary, source = "Everything", "everything", "all", "a test"

        def choose(
            self, scores: Mapping[str, torch.Tensor], budget: Budget, options: Mapping[str, Any]
        ) -> dict[str, torch.Tensor]:
            return {name: torch.ones(value.shape, dtype=torch.bool) for name, value in scores.items()}

    scores = Scores({"a": torch.rand(4)}, Strategy("MagWeight", "everything"))
    with pytest.raises(InvariantError, match="Everything kept 4 weights in 1 tensors; planned were 2 in 1"):
        select(scores, Budget.from_density(0.5))


@pytest.mark.parametrize("taken", [("Layer", "new"), ("New", "global")])
def test_names_and_scopes_are_taken_once(taken: tuple[str, str]) -> None:
    kind = type("Again", (Allocation,), {"name": taken[0], "scope": taken[1], "summary": "", "source": ""})
    with pytest.raises(ValueError, match="is registered already"):
        allocation(kind)
    assert [one.scope for one in all_allocations()] == ["tensor", "erk", "floor", "global", "lamp", "row"]


def test_every_allocation_says_what_it_is_and_which_are_planned() -> None:
    shapes = {"a": (2, 5), "b": (10,)}
    for one in all_allocations():
        assert one.summary
        assert one.source
        assert one.__doc__
        assert allocation_of(one.scope) is one
    assert planned_counts(shapes, Budget.from_density(0.3), "tensor") == {"a": 3, "b": 3}
    assert planned_counts(shapes, Budget.from_density(0.3), "global") is None
    assert planned_counts(shapes, Budget.from_density(0.3, "global"), "tensor") is None


@pytest.mark.parametrize("scope", ["layer", "Global", ""])
def test_an_unknown_scope_is_refused_with_those_there_are(scope: str, tmp_path: Path) -> None:
    """It was taken for global before."""
    with pytest.raises(InputError, match=rf"scope: got '{scope}', but it must be tensor or .*global"):
        allocation_of(scope)
    if scope:
        with pytest.raises(InputError, match=r"must be tensor or .*global"):
            select(Scores({"a": torch.rand(4)}, Strategy("MagWeight")), Budget.from_density(0.5, scope))
    with pytest.raises(InputError, match=r"scope: .*must be tensor or .*global"):
        config(tmp_path, scope=scope)


@pytest.mark.usefixtures("at_least")
def test_an_option_is_part_of_a_cuts_identity_unless_it_is_at_its_default(tmp_path: Path) -> None:
    made = {least: job(tmp_path, strategy="AtLeastMagWeight", least=least) for least in (None, 2, 3)}
    found = {least: cell_identity(one).key for least, one in made.items()}
    assert found[None] == found[2] != found[3]
    cuts = {
        least: next(step for step in one.steps if isinstance(step, Cut)).identity(one, "before").content
        for least, one in made.items()
    }
    assert "options" not in cuts[2]
    assert cuts[3]["options"] == {"least": 3}
    assert made[3].config.least == 3
    with pytest.raises(InputError, match="least: got -1"):
        config(tmp_path, strategy="AtLeastMagWeight", least=-1)
