"""What batches may be, how many are read, and how they and their examples are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import torch
from models import tiny_batches
from scored import Batches, Counting, close, same
from torch import Tensor, nn
from transformers import BatchEncoding, PreTrainedModel

from deepcuts import ScoreRequest, ScoringOptions, Strategy, score, score_requests
from deepcuts.common.errors import ScoringError
from deepcuts.scoring.scoring import count_passes


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
