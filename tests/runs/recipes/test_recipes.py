"""The package's own recipes beside the paper's: what each does, in which order, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import config, job, without_times

from deepcuts import Masks
from deepcuts.common import tensor_file
from deepcuts.common.errors import InputError
from deepcuts.common.store import Store
from deepcuts.masks.holding import apply_masks
from deepcuts.runs import job as jobs
from deepcuts.runs.pipeline import prune
from deepcuts.runs.recipes import recipes
from deepcuts.runs.steps import Cut, Measure, Run, Score, Train, key_at_end, walk
from deepcuts.runs.steps.step import Scored
from deepcuts.scoring.scoring import score_requests


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


def run(home: Path, output: Path, **changes: Any) -> tuple[dict[str, Any], Any]:
    made = job(home, strategy=changes.pop("strategy", "LayerMagGrad"), **changes)
    return prune(made, output, shared=home / "shared"), made


def densities(made: Any) -> list[float]:
    return [float(step.budget.density) for step in made.steps if isinstance(step, Cut)]


def test_one_round_is_the_papers_recipe(home: Path, tmp_path: Path) -> None:
    paper, one = (
        job(home, strategy="LayerMagGrad"),
        job(home, strategy="LayerMagGrad", recipe="rounds", rounds=1),
    )
    assert key_at_end(one, one.steps) == key_at_end(paper, paper.steps)


def test_rounds_divide_the_density_by_one_factor_and_score_under_the_mask(home: Path) -> None:
    made = job(home, strategy="LayerMagGrad", recipe="rounds", rounds=3, density=0.2)
    assert densities(made) == pytest.approx([0.2 ** (1 / 3), 0.2 ** (2 / 3), 0.2], abs=1e-6)
    own = Run(made, Store(home / "rounds", made.processes), Store(home / "own", made.processes))
    for step, before in zip(made.steps, range(7), strict=False):
        step.do(own, str(before))
        if isinstance(step, Score):
            zeros = {name: value == 0 for name, value in made.parameters.items()}
            if own.masks is not None:  # what was cut before is 0 while this round scores
                assert all(bool(zeros[name][~mask].all()) for name, mask in own.masks.items())
    assert own.masks is not None
    assert own.masks.kept == round(0.2 * own.masks.total)
    assert len(own.scored) == 3


@pytest.mark.parametrize("come_back", [False, True])
def test_rounds_are_those_of_a_plain_loop(home: Path, tmp_path: Path, come_back: bool) -> None:
    changes = {"rounds": 3, "density": 0.2, "come_back": come_back, "finetune_epochs": 1}
    made = job(home, strategy="LayerMagGrad", recipe="rounds", **changes)
    own = Run(made, Store(tmp_path / "shared", made.processes), Store(tmp_path / "own", made.processes))
    masks: list[dict[str, torch.Tensor]] = []
    for step, before, _ in walk(made, made.steps):
        if isinstance(step, Measure):
            break
        step.do(own, before)
        if isinstance(step, Cut):
            assert own.masks is not None
            assert own.masks.kept == step.budget.kept_in_all(own.masks.total)
            masks.append({name: mask.clone() for name, mask in own.masks.items()})
            left = {name: value.detach().clone() for name, value in made.parameters.items()}
    dense = tensor_file.load(own.trained["finetune"].folder / "state.safetensors", "state")[0]
    kept = {name: torch.ones_like(dense[name], dtype=torch.bool) for name in made.parameters}
    returned = 0
    for found in masks:
        sums = {name: torch.zeros_like(value) for name, value in made.parameters.items()}
        with torch.no_grad():
            for name, value in made.parameters.items():
                value.copy_(dense[name] * kept[name])
        for batch in made.batches(made.config.score_batch_size, None):
            made.model.eval().zero_grad()
            made.model(**batch).loss.backward()
            for name, value in made.parameters.items():
                weights = dense[name] if come_back else value.detach()
                sums[name] += (weights * value.grad).abs()
        made.model.zero_grad()
        for name, total in sums.items():
            score = total if come_back else total.masked_fill(~kept[name], -1.0)
            now = torch.zeros(score.numel(), dtype=torch.bool)
            now[score.flatten().topk(int(found[name].sum())).indices] = True
            returned += int((now.view_as(kept[name]) & ~kept[name]).sum())
            kept[name] = now.view_as(kept[name])
            assert torch.equal(kept[name], found[name]), name
    assert (returned > 0) is come_back
    for name, value in left.items():  # those that came back have their values
        assert torch.equal(value, dense[name] * kept[name])


def test_rounds_in_which_weights_may_come_back_are_others(home: Path) -> None:
    made = [job(home, strategy="LayerMagGrad", recipe="rounds", come_back=back) for back in (False, True)]
    walked = [list(walk(one, one.steps)) for one in made]
    keys = [[identity.key for _, _, identity in steps if identity is not None] for steps in walked]
    same = [one == other for one, other in zip(*keys, strict=True)]
    assert same == [True] * 3 + [False] * (len(same) - 3)  # fine-tuning, the first scores and the first cut
    with pytest.raises(InputError, match=r"^come_back: got True, .*second round"):
        config(home, strategy="LayerMagGrad", recipe="rounds", rounds=1, come_back=True)
    with pytest.raises(InputError, match=r"^come_back: got True, .*read by neither"):
        config(home, strategy="LayerMagGrad", come_back=True)


@pytest.mark.parametrize("strategy", ["Random", "LayerMagWeight"])
def test_rounds_of_scores_that_stay_the_same_are_refused(home: Path, strategy: str) -> None:
    with pytest.raises(InputError, match=r"^rounds: got 8, .*it must be 1"):
        config(home, strategy=strategy, recipe="rounds")
    config(home, strategy=strategy, recipe="rounds", rounds=1)


def test_gradual_cuts_as_its_formula_says_and_trains_after_each(home: Path, tmp_path: Path) -> None:
    result, made = run(
        home, tmp_path / "run", recipe="gradual", cuts=3, first_cut=0.5, density=0.2, retrain_epochs=4
    )
    wanted = [1 - (0.8 + (0.4 - 0.8) * (1 - k / 2) ** 3) for k in range(3)]
    assert densities(made) == pytest.approx(wanted, abs=1e-6)
    epochs = [step.plan.epochs for step in made.steps if isinstance(step, Train)]
    assert epochs == [2, 1, 1, 2]
    assert result["rewind"] == "finetuned"
    assert result["retraining"]["epochs"] == 4
    assert list(result["best_epoch"]) == ["finetune", "retrain-1", "retrain-2", "retrain"]
    found = Masks.load(tmp_path / "run" / "masks.safetensors")
    assert found.kept == round(0.2 * found.total)
    assert {"dense", "after cut 1", "after cut 2", "pruned", "retrained"} <= result.keys()


def test_too_few_epochs_for_all_cuts_are_refused(home: Path) -> None:
    with pytest.raises(InputError, match=r"^retrain_epochs: got 3, .*each of the 4 cuts"):
        config(home, strategy="LayerMagGrad", recipe="gradual", retrain_epochs=3)


def test_without_retraining_only_biases_and_normalisations_move(home: Path, tmp_path: Path) -> None:
    given = {"recipe": "none", "retrain_epochs": None, "repair_batches": 5}
    result, made = run(home, tmp_path / "run", **given)
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    (dense,) = (path for path in (home / "shared").glob("finetune-*/state.safetensors"))
    before = tensor_file.load(dense, "state")[0]
    moved = {
        name
        for name, value in made.model.named_parameters()
        if not torch.equal(value.detach(), before[name] * masks.get(name, torch.tensor(1.0)))
    }
    assert moved
    assert all(before[name].dim() == 1 for name in moved)
    assert all(value.requires_grad for value in made.model.parameters())
    assert result["repairing"]["most_steps"] == 5
    assert result["rewind"] == "finetuned"

    untouched, _ = run(home, tmp_path / "untouched", **{**given, "repair_batches": 0})
    assert untouched["retrained"] == untouched["pruned"] == result["pruned"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"recipe": "none"}, "retrain_epochs"),
        ({"recipe": "none", "retrain_epochs": None, "rewind": "finetuned"}, "rewind"),
        ({"recipe": "paper", "rounds": 3}, "rounds"),
        ({"recipe": "gradual", "retrain_epochs": 8, "rewind": "finetuned"}, "rewind"),
        ({"distill_share": 0.3}, "distill_share"),
        ({"objective": "distill", "repair_batches": 3}, "repair_batches"),
    ],
)
def test_what_is_not_read_is_refused(home: Path, given: Mapping[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=f"^{named}: .*read by neither the recipe"):
        config(home, **{"strategy": "LayerMagGrad", **given})


def test_best_fills_in_what_is_not_given_and_takes_longer_for_less(home: Path) -> None:
    open_to = {"strategy": None, "retrain_epochs": None}
    made = config(home, recipe="best", density=0.04, **open_to)
    assert (made.objective, made.rewind, made.decay, made.warmup) == ("distill", "finetuned", "linear", 0.1)
    assert made.retrain_epochs == 2 * config(home, recipe="best", density=0.3, **open_to).retrain_epochs
    given = config(home, recipe="best", strategy="GlobalMagWeight", rewind="pretrained", warmup=0.0)
    assert (given.strategy, given.rewind, given.warmup) == ("GlobalMagWeight", "pretrained", 0.0)


def test_every_recipe_says_in_few_words_what_it_does() -> None:
    assert {"paper", "rounds", "distill", "gradual", "none", "best"} <= recipes().keys()
    assert all(0 < len(one.help) < 90 for one in recipes().values())


def test_a_training_on_a_plateau_is_begun_again_and_counted(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[tuple[int, torch.Tensor]] = []
    original = jobs.train

    def watched(model: Any, task: Any, plan: Any, *args: Any, masks: Any, **kwargs: Any) -> Any:
        if masks is not None:
            apply_masks(model, masks)
            starts.append((plan.seed, next(model.parameters()).detach().clone()))
        return original(model, task, plan, *args, masks=masks, **kwargs)

    monkeypatch.setattr(jobs, "train", watched)
    stuck = {"strategy": "Random", "retrain_learning_rate": 1e-9}
    result, _ = run(home, tmp_path / "run", restarts=2, **stuck)
    assert result["restarted"] == {"retrain": 2}
    assert len({seed for seed, _ in starts}) == 3
    assert all(torch.equal(value, starts[0][1]) for _, value in starts)  # each from the same values
    plain, _ = run(home, tmp_path / "plain", **stuck)
    assert "restarted" not in plain
    assert len(starts) == 4
    assert without_times(plain)["kept"] == without_times(result)["kept"]


@pytest.mark.parametrize(
    ("changes", "is_updated"),
    [
        ({"recipe": "none", "repair_batches": 0, "retrain_epochs": None}, True),
        ({"rewind": "finetuned"}, True),
        ({}, False),
        ({"recipe": "rounds", "rounds": 2, "rewind": "finetuned"}, False),
    ],
)
@pytest.mark.parametrize("strategy", ["RowSparseGPT", "LayerOBS"])
def test_kept_weights_are_updated_where_a_run_goes_on_from_one_cut(
    home: Path, strategy: str, changes: dict[str, Any], is_updated: bool
) -> None:
    made = job(home, strategy=strategy, density=0.4, **changes)
    cut = next(step for step in made.steps if isinstance(step, Cut))
    said = cut.preview(made)
    assert said is not None
    assert said[1].startswith("kept weights make up" if is_updated else "none: new values by")
    identity = cut.identity(made, "before").content
    assert ("updated" in identity) is is_updated
    scores = score_requests(
        made.model, made.batches(made.config.score_batch_size, None), [made.request], seed=made.seed
    )[made.request]
    own = Run(made, Store(home / "updates", made.processes))
    own.scored.append(Scored(scores, 0.0, 1))
    before = {name: value.detach().clone() for name, value in made.parameters.items()}
    cut.do(own, "before")
    assert own.masks is not None
    changed = 0
    for name, mask in own.masks.items():
        now = made.parameters[name].detach()
        assert not now[~mask].any()
        changed += int((now != before[name] * mask).sum())
    assert bool(changed) is is_updated


def test_cuts_of_other_criteria_are_what_they_were(home: Path) -> None:
    cut = next(step for step in job(home, rewind="finetuned").steps if isinstance(step, Cut))
    made = job(home)
    assert cut.preview(made) is None
    assert "updated" not in cut.identity(made, "before").content
