from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from models import LENGTH, tiny, tiny_batches
from torch import Tensor, nn
from transformers import BatchEncoding, PreTrainedModel

from deepcuts import ScoreRequest, Scores, ScoringOptions, Strategy, score, score_requests, strategy_names
from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.scoring.scoring import count_passes

PLAIN = ["LayerMagGrad", "LayerGradCAM", "LayerGradCAMShift", "LayerGradCAMReLU"]
SMOOTH = ["LayerSmoothGrad", "LayerSmoothGradCAM", "LayerSmoothGradCAMShift", "LayerSmoothGradCAMReLU"]
WITHOUT_DATA = ["LayerMagWeight", "Random"]
EVERY = [*WITHOUT_DATA, *PLAIN, *SMOOTH]
QUICK = ScoringOptions(paths=2)
NOT_READ: Any = None  # in place of batches that must not be read

Batches = list[dict[str, Tensor]]


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of scores are equal bit for bit."""
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


def close(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of scores differ by rounding at most."""
    largest = max(value.abs().max().item() for value in first.values())
    return all(torch.allclose(first[name], second[name], rtol=1e-4, atol=1e-6 * largest) for name in first)


@pytest.mark.parametrize("dropout", [False, True])
def test_one_sweep_for_many_equals_a_sweep_for_each_bit_for_bit(
    bert: PreTrainedModel, batches: Batches, dropout: bool
) -> None:
    options = ScoringOptions(paths=2, dropout=dropout)
    together = score(bert, batches, EVERY, options=options)
    assert list(together) == EVERY
    for name in EVERY:
        alone = score(bert, batches, [name], options=options)
        assert same(together[name], alone[name]), name


@pytest.mark.parametrize("dropout", [False, True])
def test_one_sweep_for_many_does_not_depend_on_the_order_of_the_strategies(
    bert: PreTrainedModel, batches: Batches, dropout: bool
) -> None:
    options = ScoringOptions(paths=2, dropout=dropout)
    forward = score(bert, batches, EVERY, options=options)
    backward = score(bert, batches, EVERY[::-1], options=options)
    for name in EVERY:
        assert same(forward[name], backward[name]), name


@pytest.mark.parametrize(
    ("names", "passes_a_batch"),
    [
        (["Random", "LayerMagWeight"], 0),
        (["LayerMagGrad"], 1),
        (PLAIN, 1),
        (["LayerSmoothGrad"], 4),
        (["LayerSmoothGradCAM"], 1 + 4),
        ([*PLAIN, *SMOOTH], 1 + 4),
    ],
)
def test_what_strategies_share_is_computed_once_and_nothing_for_nothing(
    bert: PreTrainedModel, batches: Batches, names: list[str], passes_a_batch: int
) -> None:
    passes = 0

    def counting(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal passes
        passes += 1
        return model(**batch).loss

    score(bert, batches, names, loss_fn=counting, options=ScoringOptions(paths=4))
    assert passes == len(batches) * passes_a_batch


def test_names_are_the_ones_that_were_given(bert: PreTrainedModel, batches: Batches) -> None:
    given = ["Cam-Cut", "LayerGradCAMShift", Strategy("GradCAMShift", "global"), "Cam-Cut"]
    found = score(bert, batches[:1], given)
    assert list(found) == ["Cam-Cut", "LayerGradCAMShift", "GlobalGradCAMShift"]
    assert found["Cam-Cut"].strategy == Strategy("GradCAMShift")
    assert found["GlobalGradCAMShift"].strategy.scope == "global"
    assert same(found["Cam-Cut"], found["GlobalGradCAMShift"])


def test_inverted_is_negated(bert: PreTrainedModel, batches: Batches) -> None:
    found = score(bert, batches, ["LayerMagGrad", "InvertedLayerMagGrad"])
    upright, inverted = found.values()
    assert all(torch.equal(inverted[name], -upright[name]) for name in upright)
    assert str(inverted.strategy) == "InvertedLayerMagGrad"
    assert min(value.min() for value in upright.values()) >= 0


def test_one_sweep_serves_every_strategy_there_is(bert: PreTrainedModel, batches: Batches) -> None:
    found = score(bert, batches[:1], strategy_names(), options=QUICK)
    sizes = {name: parameter.shape for name, parameter in prunable_parameters(bert).items()}
    for scores in found.values():
        assert {name: value.shape for name, value in scores.items()} == sizes
        assert all(value.dtype is torch.float32 for value in scores.values())


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_bits(
    bert: PreTrainedModel, batches: Batches, name: str, dropout: bool
) -> None:
    options = ScoringOptions(paths=2, dropout=dropout)
    first = score(bert, batches, [name], seed=3, options=options)[name]
    torch.rand(100)  # the global generator has no say
    second = score(bert, batches, [name], seed=3, options=options)[name]
    assert same(first, second)


@pytest.mark.parametrize("name", ["LayerMagWeight", *PLAIN])
def test_without_dropout_another_seed_changes_nothing(
    bert: PreTrainedModel, batches: Batches, name: str
) -> None:
    first, second = (score(bert, batches, [name], seed=seed)[name] for seed in (0, 1))
    assert same(first, second)


@pytest.mark.parametrize("name", ["Random", *SMOOTH])
def test_another_seed_gives_other_noise(bert: PreTrainedModel, batches: Batches, name: str) -> None:
    first, second = (score(bert, batches, [name], seed=seed, options=QUICK)[name] for seed in (0, 1))
    assert not close(first, second)


@pytest.mark.parametrize("name", PLAIN)
def test_with_dropout_another_seed_gives_another_score(
    bert: PreTrainedModel, batches: Batches, name: str
) -> None:
    options = ScoringOptions(dropout=True)
    first, second = (score(bert, batches, [name], seed=seed, options=options)[name] for seed in (0, 1))
    assert not close(first, second)


@pytest.mark.parametrize(
    ("name", "dropout"), [("LayerSmoothGrad", False), ("LayerSmoothGrad", True), ("LayerMagGrad", True)]
)
def test_noise_and_dropout_differ_from_batch_to_batch(
    bert: PreTrainedModel, name: str, dropout: bool
) -> None:
    batch = tiny_batches(bert, count=1)[0]
    options = ScoringOptions(paths=2, dropout=dropout)
    once, twice = (score(bert, [batch] * n, [name], options=options)[name] for n in (1, 2))
    assert not close({tensor: 2 * value for tensor, value in once.items()}, twice)


def test_random_tensors_do_not_repeat_each_other(bert: PreTrainedModel) -> None:
    scores = score(bert, NOT_READ, ["Random"])["Random"]
    beginnings = {tuple(value.flatten()[:4].tolist()) for value in scores.values()}
    assert len(beginnings) == len(scores)


def state_of(model: PreTrainedModel) -> dict[str, Any]:
    """Everything about a model and the process that scoring must leave as it was."""
    return {
        "tensors": tensors_digest([*model.named_parameters(), *model.named_buffers()]),
        "modes": {name: module.training for name, module in model.named_modules()},
        "gradients": {
            name: None if parameter.grad is None else (id(parameter.grad), parameter.grad.tolist())
            for name, parameter in model.named_parameters()
        },
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "hooks": {
            name: [
                list(hooks)
                for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
            ]
            for name, module in model.named_modules()
        },
        "tensor hooks": {name: p._backward_hooks for name, p in model.named_parameters()},
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
    }


@pytest.fixture
def in_use(bert: PreTrainedModel) -> PreTrainedModel:
    """A model in the middle of something: mixed modes, some gradients, a hook of someone else's."""
    bert.train()
    bert.bert.encoder.layer[0].eval()
    bert.bert.encoder.layer[1].attention.eval()
    bert.bert.pooler.dense.weight.grad = torch.full_like(bert.bert.pooler.dense.weight, 3.0)
    bert.classifier.bias.grad = torch.full_like(bert.classifier.bias, -1.0)
    bert.bert.pooler.dense.register_forward_hook(lambda _module, _inputs, output: None)
    return bert


@pytest.mark.parametrize("dropout", [False, True])
def test_nothing_is_left_behind_after_success(
    in_use: PreTrainedModel, batches: Batches, dropout: bool
) -> None:
    before = state_of(in_use)
    copies = [{name: value.clone() for name, value in batch.items()} for batch in batches]
    score(in_use, batches, EVERY, options=ScoringOptions(paths=2, dropout=dropout))
    assert state_of(in_use) == before
    for batch, copy in zip(batches, copies, strict=True):
        assert all(torch.equal(batch[name], copy[name]) for name in copy)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("at", [0, 1, 4, 5])  # calls 0 and 3 are clean passes, the others noisy ones
def test_nothing_is_left_behind_after_a_loss_function_raised(
    in_use: PreTrainedModel, batches: Batches, at: int, dropout: bool
) -> None:
    before = state_of(in_use)
    calls = 0

    def failing(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal calls
        calls += 1
        loss = model(**batch).loss
        if calls == at + 1:
            raise KeyError("of the loss function")
        return loss

    options = ScoringOptions(paths=2, dropout=dropout)
    with pytest.raises(KeyError, match="of the loss function"):
        score(in_use, batches, EVERY, loss_fn=failing, options=options)
    assert calls == at + 1
    assert state_of(in_use) == before


def test_nothing_is_left_behind_after_the_models_forward_raised(
    in_use: PreTrainedModel, batches: Batches
) -> None:
    before = state_of(in_use)
    batches[1]["input_ids"] = batches[1]["input_ids"] + 10_000  # out of the vocabulary
    with pytest.raises(IndexError):
        score(in_use, batches, EVERY, options=QUICK)
    assert state_of(in_use) == before


def test_nothing_is_left_behind_after_the_batches_raised(in_use: PreTrainedModel, batches: Batches) -> None:
    def broken() -> Iterator[dict[str, Tensor]]:
        yield batches[0]
        raise OSError("of the data")

    before = state_of(in_use)
    with pytest.raises(OSError, match="of the data"):
        score(in_use, broken(), EVERY, options=QUICK)
    assert state_of(in_use) == before


def test_nothing_is_left_behind_after_a_bad_loss(in_use: PreTrainedModel, batches: Batches) -> None:
    before = state_of(in_use)
    with pytest.raises(ScoringError):
        score(in_use, batches, EVERY, loss_fn=lambda m, b: m(**b).loss * torch.nan, options=QUICK)
    assert state_of(in_use) == before


def test_scores_share_no_memory_with_the_model(bert: PreTrainedModel) -> None:
    before = tensors_digest(bert.named_parameters())
    for value in score(bert, NOT_READ, ["LayerMagWeight"])["LayerMagWeight"].values():
        value.zero_()
    assert tensors_digest(bert.named_parameters()) == before


def test_scores_carry_no_graph(bert: PreTrainedModel, batches: Batches) -> None:
    for scores in score(bert, batches, EVERY, options=QUICK).values():
        assert not any(value.requires_grad for value in scores.values())


def test_the_grad_mode_of_the_caller_does_not_matter(bert: PreTrainedModel, batches: Batches) -> None:
    names = ["LayerMagGrad", "LayerSmoothGradCAM"]
    expected = score(bert, batches, names, options=QUICK)
    with torch.no_grad():
        found = score(bert, batches, names, options=QUICK)
        assert not torch.is_grad_enabled()
    assert all(same(found[name], expected[name]) for name in names)


class Counting:
    """An endless iterator over batches that counts how many were taken."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.taken = 0

    def __iter__(self) -> Counting:
        return self

    def __next__(self) -> dict[str, Tensor]:
        self.taken += 1
        assert self.taken < 100, "no end of reading"
        return self.batches[(self.taken - 1) % len(self.batches)]


@pytest.mark.parametrize(
    ("names", "limit", "smooth_limit", "plain_used", "smooth_used", "taken"),
    [
        (["LayerMagGrad"], 2, None, 2, None, 2),
        (["LayerMagGrad"], 1, 5, 1, None, 1),
        (["LayerSmoothGrad"], None, 2, None, 2, 2),
        (["LayerSmoothGrad"], 9, 1, None, 1, 1),
        (["LayerMagGrad", "LayerSmoothGrad"], 4, 2, 4, 2, 4),
        (["LayerMagGrad", "LayerSmoothGrad"], 1, 3, 1, 3, 3),
    ],
)
def test_limits_are_kept_and_no_batch_more_is_read(
    bert: PreTrainedModel,
    batches: Batches,
    names: list[str],
    limit: int | None,
    smooth_limit: int | None,
    plain_used: int | None,
    smooth_used: int | None,
    taken: int,
) -> None:
    source = Counting(batches)
    options = ScoringOptions(paths=1, max_batches=limit, max_smooth_batches=smooth_limit)
    found = score(bert, source, [*names, "Random"], options=options)
    assert source.taken == taken
    used = {"LayerMagGrad": plain_used, "LayerSmoothGrad": smooth_used}
    unlimited = ScoringOptions(paths=1)
    for name in names:
        first = [batches[index % len(batches)] for index in range(used[name] or 0)]
        expected = score(bert, first, [name], options=unlimited)[name]
        assert same(found[name], expected)
        assert (found[name].batches, found[name].examples) == (len(first), 4 * len(first))
    assert (found["Random"].batches, found["Random"].examples) == (0, 0)


def test_a_limit_beyond_the_data_is_no_error(bert: PreTrainedModel, batches: Batches) -> None:
    found = score(bert, batches, ["LayerMagGrad"], options=ScoringOptions(max_batches=99))
    assert found["LayerMagGrad"].batches == len(batches)


def test_one_limit_alone_bounds_nothing_else(bert: PreTrainedModel, batches: Batches) -> None:
    names = ["LayerMagGrad", "LayerSmoothGrad"]
    found = score(bert, batches, names, options=ScoringOptions(paths=1, max_smooth_batches=1))
    assert [found[name].batches for name in names] == [3, 1]
    found = score(bert, batches, names, options=ScoringOptions(paths=1, max_batches=1))
    assert [found[name].batches for name in names] == [1, 3]


def test_strategies_without_data_read_none(bert: PreTrainedModel, batches: Batches) -> None:
    source = Counting(batches)
    found = score(bert, source, ["LayerMagWeight", "GlobalMagWeight", "Random"])
    assert source.taken == 0
    for name, scores in found.items():
        assert (scores.batches, scores.examples) == (0, 0), name


def test_batches_may_be_a_generator(bert: PreTrainedModel, batches: Batches) -> None:
    expected = score(bert, batches, ["LayerMagGrad"])["LayerMagGrad"]
    found = score(bert, (batch for batch in batches), ["LayerMagGrad"])["LayerMagGrad"]
    assert same(found, expected)


def test_batches_may_be_batch_encodings_with_other_things_in_them(
    bert: PreTrainedModel, batches: Batches
) -> None:
    expected = score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"]
    encodings = [BatchEncoding({**batch, "output_attentions": False}) for batch in batches]
    found = score(bert, encodings, ["LayerGradCAM"])["LayerGradCAM"]
    assert same(found, expected)
    assert found.examples == 12


def test_batches_may_lack_an_attention_mask(bert: PreTrainedModel, batches: Batches) -> None:
    full = [{**batch, "attention_mask": torch.ones_like(batch["attention_mask"])} for batch in batches]
    bare = [{name: value for name, value in batch.items() if name != "attention_mask"} for batch in full]
    first, second = (score(bert, given, ["LayerGradCAM"])["LayerGradCAM"] for given in (full, bare))
    assert close(first, second)


def test_the_order_of_batches_does_not_matter_to_plain_scores(
    bert: PreTrainedModel, batches: Batches
) -> None:
    first, second = (
        score(bert, given, ["LayerGradCAM"])["LayerGradCAM"] for given in (batches, batches[::-1])
    )
    assert close(first, second)


def test_examples_are_counted_by_the_first_tensor_that_has_rows(
    bert: PreTrainedModel, batches: Batches
) -> None:
    given = [{"names": ["a", "b"], "weight": torch.tensor(2.0), **batch} for batch in batches]

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        return batch["weight"] * model(batch["input_ids"], labels=batch["labels"]).loss

    assert score(bert, given, ["LayerMagGrad"], loss_fn=loss)["LayerMagGrad"].examples == 12


def test_batches_may_hold_no_tensors_if_the_loss_function_knows_what_to_do() -> None:
    model = nn.Linear(2, 1)

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        return model(torch.tensor(batch["x"])).sum()

    batches = [{"x": [[1.0, 2.0]]}, {"x": [[3.0, 4.0]]}]
    found = score(model, batches, ["LayerMagGrad"], loss_fn=loss, prunable=["weight"])["LayerMagGrad"]
    expected = model.weight.detach().abs() * torch.tensor([[4.0, 6.0]])
    torch.testing.assert_close(found["weight"], expected)
    assert (found.batches, found.examples) == (2, 0)


def test_no_batches_at_all_is_an_error(bert: PreTrainedModel) -> None:
    with pytest.raises(ScoringError, match="not a single batch"):
        score(bert, [], ["LayerMagWeight", "LayerMagGrad"])


def test_batches_without_labels_say_so(bert: PreTrainedModel, batches: Batches) -> None:
    for batch in batches:
        del batch["labels"]
    with pytest.raises(ScoringError, match="labels"):
        score(bert, batches, ["LayerMagGrad"])


def test_a_loss_function_replaces_the_models_own(bert: PreTrainedModel, batches: Batches) -> None:
    def same_loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        return nn.functional.cross_entropy(model(**inputs).logits, batch["labels"])

    names = ["LayerMagGrad", "LayerSmoothGrad"]
    own = score(bert, batches, names, options=QUICK)
    given = score(bert, batches, names, loss_fn=same_loss, options=QUICK)
    assert all(close(own[name], given[name]) for name in names)
    tripled = score(bert, batches, names, loss_fn=lambda m, b: 3 * same_loss(m, b), options=QUICK)
    assert all(close({n: 3 * value for n, value in own[name].items()}, tripled[name]) for name in names)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["LayerMagGrad", "LayerSmoothGrad", "LayerSmoothGradCAM"])
def test_a_loss_that_is_not_finite_is_reported_with_the_batchs_number(
    bert: PreTrainedModel, batches: Batches, name: str, bad: float
) -> None:
    def spoiled(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        loss = model(**batch).loss
        return loss * bad if torch.equal(batch["input_ids"], batches[1]["input_ids"]) else loss

    with pytest.raises(ScoringError, match=f"loss of batch 1 is {bad}"):
        score(bert, batches, [name], loss_fn=spoiled, options=QUICK)


def test_a_gradient_that_is_not_finite_is_reported_with_the_tensor(
    bert: PreTrainedModel, batches: Batches
) -> None:
    def steep(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        bias = model.bert.pooler.dense.bias
        return model(**batch).loss + (bias - bias.detach()).sqrt().sum()  # 0, with slope infinity

    with pytest.raises(ScoringError, match=r"LayerMagGrad.*'bert\.pooler\.dense\.bias'"):
        score(bert, batches, ["LayerMagGrad"], loss_fn=steep)


@pytest.mark.parametrize("name", ["LayerMagWeight", "InvertedLayerMagWeight"])
def test_a_weight_that_is_nan_is_reported_with_its_tensor(bert: PreTrainedModel, name: str) -> None:
    with torch.no_grad():
        bert.bert.encoder.layer[1].output.dense.weight[2, 3] = torch.nan
    with pytest.raises(ScoringError, match=r"MagWeight.*'bert\.encoder\.layer\.1\.output\.dense\.weight'"):
        score(bert, NOT_READ, [name])


def test_a_frozen_parameter_is_reported_where_a_gradient_is_needed(
    bert: PreTrainedModel, batches: Batches
) -> None:
    bert.bert.pooler.dense.weight.requires_grad_(False)
    for name in ("LayerMagGrad", "LayerSmoothGrad"):
        with pytest.raises(ScoringError, match=r"'bert\.pooler\.dense\.weight' is frozen"):
            score(bert, batches, [name])
    assert score(bert, NOT_READ, ["LayerMagWeight"])


def test_frozen_protected_parameters_do_not_matter(bert: PreTrainedModel, batches: Batches) -> None:
    expected = score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"]
    bert.bert.embeddings.requires_grad_(False)
    assert close(score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"], expected)


def test_a_parameter_that_no_loss_depends_on_is_refused_by_name() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    names = ["used.weight", "unused.weight", "unused.bias"]

    def never(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        model["unused"](batch["x"])
        return model["used"](batch["x"]).sum()

    def at_times(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        loss = never(model, batch)
        return loss + model["unused"](batch["x"]).sum() if batch["y"] else loss

    batches = [{"x": torch.ones(1, 2), "y": torch.tensor(float(y))} for y in (0, 1)]
    for name in ("LayerMagGrad", "LayerSmoothGradCAM"):
        with pytest.raises(ScoringError, match=r"depends on 'unused\.weight' and 1 more.*left out"):
            score(model, batches, [name], loss_fn=never, prunable=names)
        found = score(model, batches, [name], loss_fn=at_times, prunable=names)[name]
        assert found["unused.weight"].max() > 0
    assert score(model, batches, ["LayerMagWeight"], loss_fn=never, prunable=names)
    with pytest.raises(ScoringError, match="the loss depends on no prunable parameter"):
        score(model, batches, ["LayerMagGrad"], loss_fn=lambda m, b: b["x"].sum(), prunable=names)
    with pytest.raises(ScoringError, match="took no part"):
        score(model, batches, ["LayerGradCAM"], loss_fn=lambda m, b: m["used"](b["x"]).sum(), prunable=names)


def test_patterns_choose_what_is_scored(bert: PreTrainedModel, batches: Batches) -> None:
    everything = score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"]
    patterns = ["bert.encoder.layer.1.*.dense.weight"]
    found = score(bert, batches, ["LayerGradCAM"], prunable=patterns)["LayerGradCAM"]
    assert list(found) == [
        f"bert.encoder.layer.1.{part}.dense.weight" for part in ("attention.output", "intermediate", "output")
    ]
    assert close(found, {name: everything[name] for name in found})
    assert found.model is not None
    assert found.model.prunable == sum(value.numel() for value in found.values())


def test_activation_scores_need_a_linear_layer() -> None:
    model = nn.Sequential(nn.Conv1d(2, 2, 1), nn.Linear(3, 1))
    batches = [{"x": torch.ones(1, 2, 3)}]

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        return model(batch["x"]).sum()

    with pytest.raises(InputError, match=r"0\.weight.*nn\.Linear, not of Conv1d"):
        score(model, batches, ["LayerGradCAM"], loss_fn=loss, prunable=["0.*"])
    found = score(model, batches, ["LayerMagGrad"], loss_fn=loss, prunable=["0.*"])["LayerMagGrad"]
    assert found["0.weight"].shape == (2, 2, 1)


def assert_rounded(found: Scores, exact: Scores) -> None:
    """Scores differ from exact ones as numbers of 8 bits do after some layers, in size, not in rank alone."""
    for name, value in exact.items():
        assert found[name].dtype is torch.float32
        # Keys' biases have no gradient but for rounding, here of up to 3e-5 in all.
        assert (found[name] - value).norm() <= 0.06 * value.norm() + 5e-5


def test_half_precision_weights_are_summed_in_float32(batches: Batches) -> None:
    model = tiny("bert").to(torch.bfloat16)
    found = score(model, batches, ["LayerMagGrad", "LayerGradCAM"])
    exact = score(tiny("bert"), batches, ["LayerMagGrad"])["LayerMagGrad"]
    for scores in found.values():
        assert all(value.dtype is torch.float32 for value in scores.values())
    assert_rounded(found["LayerMagGrad"], exact)


@pytest.mark.parametrize("names", [[], ()])
def test_no_strategy_is_an_error(bert: PreTrainedModel, names: list[str]) -> None:
    with pytest.raises(InputError, match=r"strategies: .*at least one"):
        score(bert, NOT_READ, names)


def test_an_unknown_strategy_is_an_error_before_any_batch_is_read(
    bert: PreTrainedModel, batches: Batches
) -> None:
    source = Counting(batches)
    with pytest.raises(InputError, match="LayerMagGrad"):
        score(bert, source, ["LayerMagGrad", "LayerMagGra"])
    assert source.taken == 0


def test_activations_of_albert_are_over_all_calls_of_the_shared_layer() -> None:
    model = tiny("albert", num_hidden_layers=3)
    batch = tiny_batches(model)[0]
    name = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"
    layer = model.get_submodule(name)
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, output: outputs.append(output))
    model(**batch).loss.backward()
    hook.remove()
    assert len(outputs) == 3
    real = batch["attention_mask"].bool()
    mean = torch.stack([output.detach()[real].mean(0) for output in outputs]).mean(0)
    gradient = layer.weight.grad  # the sum over the three calls
    found = score(model, [batch], ["LayerGradCAM", "LayerMagGrad"])
    key = f"{name}.weight"
    expected = (layer.weight * gradient).abs().detach()
    torch.testing.assert_close(found["LayerMagGrad"][key], expected, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(
        found["LayerGradCAM"][key], expected * mean[:, None].abs(), rtol=1e-3, atol=1e-7
    )
    assert [n for n in found["LayerGradCAM"] if n.endswith("ffn.weight")] == [key]


@pytest.mark.parametrize("padding", [False, True])
def test_activations_of_deberta_leave_out_the_table_of_relative_positions(padding: bool) -> None:
    model = tiny("deberta-v2")
    batch = tiny_batches(model)[0]
    name = "deberta.encoder.layer.0.attention.self.key_proj"
    layer = model.get_submodule(name)
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, output: outputs.append(output.detach()))
    model(**batch).loss.backward()
    hook.remove()
    mask = batch["attention_mask"].bool()
    of_tokens = [output for output in outputs if output.shape[:2] == mask.shape]
    assert 1 == len(of_tokens) < len(outputs)
    real = torch.ones_like(mask) if padding else mask
    mean = of_tokens[0][real].mean(0)
    options = ScoringOptions(padding=padding)
    found = score(model, [batch], ["LayerGradCAM"], options=options)["LayerGradCAM"]
    expected = (layer.weight * layer.weight.grad).abs().detach() * mean[:, None].abs()
    torch.testing.assert_close(found[f"{name}.weight"], expected, rtol=1e-3, atol=1e-8)


def test_padding_tokens_have_no_say_unless_asked(bert: PreTrainedModel) -> None:
    """The model ignores what stands in the padding; the mean activation sees it only with `padding`."""
    batches = tiny_batches(bert)
    other = [
        {**batch, "input_ids": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, 7)}
        for batch in batches
    ]
    name = "LayerGradCAM"
    for padding in (False, True):
        options = ScoringOptions(padding=padding)
        first, second = (score(bert, given, [name], options=options)[name] for given in (batches, other))
        assert close(first, second) is not padding


def test_padding_option_changes_activation_scores_alone(bert: PreTrainedModel, batches: Batches) -> None:
    names = ["LayerMagGrad", "LayerGradCAM"]
    without, with_padding = (
        score(bert, batches, names, options=ScoringOptions(padding=padding)) for padding in (False, True)
    )
    assert same(without["LayerMagGrad"], with_padding["LayerMagGrad"])
    assert not close(without["LayerGradCAM"], with_padding["LayerGradCAM"])


def test_activations_of_smooth_scores_come_from_a_clean_pass(bert: PreTrainedModel, batches: Batches) -> None:
    """So the ratio of two smooth scores is the ratio of the plain ones, |a + λ| per row."""
    options = ScoringOptions(paths=2, noise_std=1.0)
    names = ["LayerMagGrad", "LayerGradCAMShift", "LayerSmoothGrad", "LayerSmoothGradCAMShift"]
    grad, shift, smooth_grad, smooth_shift = score(bert, batches[:1], names, options=options).values()
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    torch.testing.assert_close(
        smooth_shift[name] / smooth_grad[name], shift[name] / grad[name], rtol=1e-3, atol=1e-6
    )


def test_dropout_is_off_whatever_the_models_mode(bert: PreTrainedModel, batches: Batches) -> None:
    for name in ("LayerGradCAM", "LayerSmoothGradCAM"):
        in_evaluation = score(bert.eval(), batches, [name], options=QUICK)[name]
        in_training = score(bert.train(), batches, [name], options=QUICK)[name]
        assert same(in_evaluation, in_training)
        none_at_all = score(tiny("bert", dropout=0.0), batches, [name], options=QUICK)[name]
        assert same(in_evaluation, none_at_all)


@pytest.mark.parametrize("name", ["LayerMagGrad", "LayerGradCAM", "LayerSmoothGrad"])
def test_dropout_is_on_when_asked_for(bert: PreTrainedModel, batches: Batches, name: str) -> None:
    off, on = (
        score(bert, batches, [name], options=ScoringOptions(paths=2, dropout=dropout))[name]
        for dropout in (False, True)
    )
    assert not close(off, on)


def test_dropout_asked_for_changes_nothing_where_its_probability_is_zero(
    bert_without_dropout: PreTrainedModel, batches: Batches
) -> None:
    off, on = (
        score(bert_without_dropout, batches, ["LayerMagGrad"], options=ScoringOptions(dropout=dropout))
        for dropout in (False, True)
    )
    assert close(off["LayerMagGrad"], on["LayerMagGrad"])


def test_provenance_says_what_the_scores_were_made_from(bert: PreTrainedModel, batches: Batches) -> None:
    options = ScoringOptions(paths=2, shift=3.0, max_smooth_batches=2)
    names = ["LayerMagGrad", "GlobalSmoothGradCAMShift", "Random"]
    found = score(bert, batches, names, seed=17, options=options)
    parameters = prunable_parameters(bert)
    for name, counts in zip(names, [(3, 12), (2, 8), (0, 0)], strict=True):
        scores = found[name]
        assert scores.provenance == {
            "strategy": name,
            "options": Strategy.parse(name).options_read(options).as_dict(),
            "batches": counts[0],
            "examples": counts[1],
            "seed": 17,
            "model": {
                "name": "BertForSequenceClassification",
                "architecture": "bert",
                "parameters": sum(parameter.numel() for parameter in bert.parameters()),
                "prunable": sum(parameter.numel() for parameter in parameters.values()),
                "digest": tensors_digest(parameters.items()),
            },
        }
        assert json.loads(json.dumps(scores.provenance)) == scores.provenance


def test_the_digest_tells_one_models_weights_from_anothers(bert: PreTrainedModel) -> None:
    def digest(model: PreTrainedModel) -> str:
        scores = score(model, NOT_READ, ["Random"])["Random"]
        assert scores.model is not None
        return scores.model.digest

    first = digest(bert)
    assert digest(tiny("bert")) == first
    with torch.no_grad():
        bert.bert.pooler.dense.bias[0] += 1e-3
    assert digest(bert) != first


# Processes that share the work, played one after the other, with the sum taken at the end.


@pytest.mark.parametrize("world", [2, 5])  # five processes for three batches: two get none
def test_distributed_shares_add_up_to_the_whole(
    bert: PreTrainedModel, batches: Batches, world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["Random", "LayerMagGrad", "LayerSmoothGradCAM"]
    options = ScoringOptions(paths=2, dropout=True, max_smooth_batches=2)
    whole = score(bert, batches, names, options=options)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: None)
    shares: list[dict[str, Scores]] = []
    for rank in range(world):
        monkeypatch.setattr("deepcuts.scoring.scoring.place", lambda rank=rank: (rank, world))
        shares.append(score(bert, batches, names, options=options, distributed=True))
    assert all(same(share["Random"], whole["Random"]) for share in shares)
    for name in names[1:]:
        summed = {n: sum(share[name][n] for share in shares) for n in whole[name]}
        assert close(summed, whole[name])
        assert sum(share[name].batches for share in shares) == whole[name].batches
        assert sum(share[name].examples for share in shares) == whole[name].examples


def test_distributed_all_processes_get_the_sum(
    bert: PreTrainedModel, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with equal shares: the reduction doubles every sum and count, but not random ones."""
    names = ["Random", "LayerMagGrad"]
    alone = score(bert, batches, names)
    monkeypatch.setattr("deepcuts.scoring.scoring.place", lambda: (0, 1))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2))
    found = score(bert, batches, names, distributed=True)
    assert same(found["Random"], alone["Random"])
    assert same(found["LayerMagGrad"], {n: 2 * v for n, v in alone["LayerMagGrad"].items()})
    assert (found["LayerMagGrad"].batches, found["LayerMagGrad"].examples) == (6, 24)


def test_distributed_in_a_group_of_one_is_the_same_as_alone(
    bert: PreTrainedModel, batches: Batches, tmp_path: Path
) -> None:
    names = ["LayerMagGrad", "Random"]
    alone = score(bert, batches, names)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        found = score(bert, batches, names, distributed=True)
    finally:
        torch.distributed.destroy_process_group()
    for name in names:
        assert same(found[name], alone[name])
        assert found[name].provenance == alone[name].provenance


def test_distributed_needs_a_process_group(bert: PreTrainedModel, batches: Batches) -> None:
    with pytest.raises(InputError, match=r"distributed: .*initialised first"):
        score(bert, batches, ["LayerMagGrad"], distributed=True)


def test_bf16_is_close_to_fp32_and_shares_no_pass_with_it(bert: PreTrainedModel, batches: Batches) -> None:
    calls: list[bool] = []

    def loss_fn(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        calls.append(torch.is_autocast_enabled("cpu"))
        return model(**batch).loss

    requests = [
        ScoreRequest(Strategy.parse(name), ScoringOptions(paths=2, precision=precision))
        for precision in ("fp32", "bf16")
        for name in ("LayerMagGrad", "LayerGradCAM", "LayerSmoothGrad", "LayerMagWeight")
    ]
    found = score_requests(bert, batches[:1], requests, loss_fn=loss_fn)
    assert sorted(calls) == [False] * 3 + [True] * 3
    for full, half in zip(requests[:3], requests[4:7], strict=True):
        assert not same(found[half], found[full])
        assert_rounded(found[half], found[full])
    with torch.autocast("cpu", torch.bfloat16):
        loss = bert(**batches[0]).loss
    loss.backward()
    for name, importances in found[requests[4]].items():
        parameter = bert.get_parameter(name)
        assert torch.equal(importances, (parameter * parameter.grad).abs())
    bert.zero_grad()
    assert same(found[requests[3]], found[requests[7]])
    assert not torch.is_autocast_enabled("cpu")


def test_requests_with_options_of_their_own_are_scored_as_each_alone(
    bert: PreTrainedModel, batches: Batches
) -> None:
    requests = [
        ScoreRequest(Strategy.parse(name), options)
        for name in ("LayerGradCAMShift", "GlobalSmoothGradCAMShift", "LayerMagGrad")
        for options in (
            ScoringOptions(paths=2),
            ScoringOptions(paths=2, shift=0.5, padding=True),
            ScoringOptions(paths=3, noise_std=0.4, max_batches=2, max_smooth_batches=1),
            ScoringOptions(paths=2, dropout=True),
        )
    ]
    together = score_requests(bert, batches, requests)
    assert list(together) == requests
    for request in requests:
        alone = score(bert, batches, [request.strategy], options=request.options)[str(request.strategy)]
        assert same(together[request], alone)
        assert together[request].options == request.strategy.options_read(request.options)
        assert together[request].batches == alone.batches


def test_requests_that_differ_in_what_is_not_read_are_one_score(
    bert: PreTrainedModel, batches: Batches
) -> None:
    calls = 0

    def counting(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal calls
        calls += 1
        return model(**batch).loss

    shifts = [
        ScoreRequest(Strategy.parse("LayerMagGrad"), ScoringOptions(shift=shift)) for shift in (0.0, 1.0)
    ]
    cams = [
        ScoreRequest(Strategy.parse("LayerGradCAMShift"), ScoringOptions(shift=shift))
        for shift in (0.0, 1.0, 9.0)
    ]
    found = score_requests(bert, batches, [*shifts, *cams], loss_fn=counting)
    assert calls == len(batches)
    name = next(iter(found[shifts[0]]))
    assert found[shifts[0]][name] is found[shifts[1]][name]
    assert not torch.equal(found[cams[0]][name], found[cams[2]][name])


@pytest.mark.parametrize(
    ("names", "options", "batches", "expected"),
    [
        (["Random", "LayerMagWeight"], {}, 9, 0),
        (["LayerMagGrad", "GlobalGradCAM", "LayerGradCAMShift"], {}, 9, 9),
        (["LayerMagGrad"], {"max_batches": 4}, 9, 4),
        (["LayerSmoothGrad"], {"paths": 3}, 9, 27),
        (["LayerSmoothGradCAM"], {"paths": 3}, 9, 36),
        (["LayerSmoothGradCAM", "LayerMagGrad"], {"paths": 3, "max_smooth_batches": 2}, 9, 15),
    ],
)
def test_passes_are_counted_as_they_are_made(
    bert: PreTrainedModel, names: list[str], options: dict[str, Any], batches: int, expected: int
) -> None:
    requests = [ScoreRequest(Strategy.parse(name), ScoringOptions(**options)) for name in names]
    assert count_passes(requests, batches) == expected
    calls = 0

    def counting(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal calls
        calls += 1
        return model(**batch).loss

    score_requests(bert, [tiny_batches(bert)[0]] * batches, requests, loss_fn=counting)
    assert calls == expected


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64, 1.5, True])
def test_a_seed_that_not_all_generators_take_is_refused(bert: PreTrainedModel, seed: Any) -> None:
    with pytest.raises(InputError, match=r"^seed: got .*from 0 to 4294967295"):
        score(bert, NOT_READ, ["Random"], seed=seed)
    assert score(bert, NOT_READ, ["Random"], seed=2**32 - 1)


def test_an_attention_mask_for_each_token_counts_as_the_one_of_tokens(
    bert: PreTrainedModel, batches: Batches
) -> None:
    names = ["LayerGradCAM", "LayerSmoothGradCAM"]
    expected = score(bert, batches, names, options=QUICK)
    wide = [
        {**batch, "attention_mask": batch["attention_mask"][:, None, None].bool().expand(-1, 1, LENGTH, -1)}
        for batch in batches
    ]
    found = score(bert, wide, names, options=QUICK)
    assert all(close(found[name], expected[name]) for name in names)


def test_a_weight_that_two_layers_share_is_scored_by_the_outputs_of_both() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    x = torch.randn(5, 3)
    first = model[0](x)
    second = model(x)
    loss = second.square().sum()
    (gradient,) = torch.autograd.grad(loss, [model[0].weight])
    mean = torch.cat([first, second]).mean(0)[:, None]
    found = score(
        model,
        [{"x": x}],
        ["LayerGradCAM"],
        loss_fn=lambda model, batch: model(batch["x"]).square().sum(),
        prunable=["0.*", "2.bias"],
    )["LayerGradCAM"]
    torch.testing.assert_close(found["0.weight"], (model[0].weight * gradient * mean).abs().detach())
    (of_bias,) = torch.autograd.grad(model(x).square().sum(), [model[2].bias])
    torch.testing.assert_close(found["2.bias"], (model[2].bias * of_bias * second.mean(0)).abs().detach())


class Pair(NamedTuple):
    tokens: Tensor
    rest: dict[str, Tensor]


@pytest.mark.parametrize("form", [tuple, list, Pair], ids=["tuple", "list", "named tuple"])
def test_batches_may_be_tuples_with_a_loss_function_of_ones_own(
    bert: PreTrainedModel, batches: Batches, form: Any
) -> None:
    def loss(model: nn.Module, batch: Any) -> Tensor:
        assert isinstance(batch, form)
        tokens, rest = batch
        found: Tensor = model(input_ids=tokens, **rest).loss
        return found

    made = [(one["input_ids"], {name: one[name] for name in ("attention_mask", "labels")}) for one in batches]
    made = [form(*one) if form is Pair else form(one) for one in made]
    for name in ("LayerMagGrad", "LayerSmoothGrad", "LayerFisher"):
        expected = score(bert, batches, [name])[name]
        found = score(bert, made, [name], loss_fn=loss)[name]
        assert found.examples == expected.examples == 12
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_tuple_without_a_loss_function_is_refused(bert: PreTrainedModel, batches: Batches) -> None:
    with pytest.raises(ScoringError, match="a batch is a tuple, which the model can't be called with"):
        score(bert, [tuple(batches[0].values())], ["LayerGradCAM"])
