"""Mean outputs of layers, as hooks see them; a test of a statistic of inputs is in tests/seams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts import ScoringOptions
from deepcuts.architectures.parameters import linear_layers, prunable_parameters
from deepcuts.common.errors import ScoringError
from deepcuts.scoring.statistics.activation import MeanOutput
from deepcuts.scoring.tokens import Tokens, token_mask
from deepcuts.scoring.watching import Watch


@contextmanager
def activation_means(
    layers: Sequence[nn.Linear], mask: Tensor | None = None, *, padding: bool = False
) -> Iterator[SimpleNamespace]:
    """Watch layers, each on its own."""
    made = {layer: MeanOutput([layer], ScoringOptions(padding=padding)) for layer in layers}
    watch = Watch([(one, [layer]) for layer, one in made.items()], Tokens(mask))
    with watch.watching():
        yield SimpleNamespace(mean=lambda layer: made[layer].compute(torch.empty(2)))
    watch.finish()


def identity(width: int = 2) -> nn.Linear:
    layer = nn.Linear(width, width, bias=False)
    nn.init.eye_(layer.weight)
    return layer


def test_mean_is_over_all_leading_axes() -> None:
    layer = identity()
    with activation_means([layer]) as means:
        layer(torch.tensor([[[1.0, 10.0], [2.0, 20.0]], [[3.0, 30.0], [6.0, 60.0]]]))
    assert means.mean(layer).tolist() == [3, 30]


def test_masked_tokens_do_not_count() -> None:
    layer = identity()
    mask = torch.tensor([[1, 0], [1, 1]])
    with activation_means([layer], mask) as means:
        layer(torch.tensor([[[1.0, 10.0], [200.0, 200.0]], [[3.0, 30.0], [8.0, 80.0]]]))
    assert means.mean(layer).tolist() == [4, 40]


def test_an_output_without_a_token_axis_is_averaged_over_the_batch() -> None:
    layer = identity()
    mask = torch.tensor([[1, 0], [1, 1]])
    with activation_means([layer], mask) as means:
        layer(torch.tensor([[1.0, 10.0], [3.0, 30.0]]))  # as the pooler's: (batch, hidden)
    assert means.mean(layer).tolist() == [2, 20]


def test_all_calls_of_a_layer_count_by_their_tokens() -> None:
    layer = identity()
    mask = torch.tensor([[1, 0]])
    with activation_means([layer], mask) as means:
        layer(torch.tensor([[[1.0, 1.0], [9.0, 9.0]]]))
        layer(torch.tensor([[[4.0, 6.0], [9.0, 9.0]]]))
    assert means.mean(layer).tolist() == [2.5, 3.5]


@pytest.mark.parametrize("table_first", [True, False])
def test_a_call_that_sees_no_tokens_does_not_count_beside_one_that_does(table_first: bool) -> None:
    layer = identity()
    table = torch.full((1, 5, 2), 100.0)  # as DeBERTa's table of relative positions
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    with activation_means([layer], torch.ones(1, 2)) as means:
        for values in (table, tokens) if table_first else (tokens, table):
            layer(values)
    assert means.mean(layer).tolist() == [2, 3]


def test_a_layer_that_sees_no_tokens_at_all_has_the_mean_of_what_it_saw() -> None:
    layer = identity()
    with activation_means([layer], torch.ones(1, 2)) as means:
        layer(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]]))
    assert means.mean(layer).tolist() == [3, 2]


def test_the_mean_is_of_the_output_before_hooks_that_were_there() -> None:
    """A head that bounds its output does so by a hook; the score is of the linear layer's own output."""
    layer = identity()
    layer.register_forward_hook(lambda _module, _inputs, output: output * 0)
    with activation_means([layer]) as means:
        assert layer(torch.tensor([[1.0, 2.0]])).tolist() == [[0, 0]]
    assert means.mean(layer).tolist() == [1, 2]


def test_a_layer_that_did_not_run_has_no_mean() -> None:
    layer = identity()
    with activation_means([layer]) as means:
        pass
    with pytest.raises(ScoringError, match="took no part in the forward pass"):
        means.mean(layer)


def test_a_layer_named_twice_is_watched_once() -> None:
    layer = identity()
    with activation_means([layer, layer]) as means:
        assert len(layer._forward_hooks) == 1
        layer(torch.tensor([[1.0, 2.0]]))
    assert means.mean(layer).tolist() == [1, 2]


def test_hooks_are_gone_afterwards_and_those_of_others_stay() -> None:
    layer = identity()
    theirs = layer.register_forward_hook(lambda _module, _inputs, output: output)
    with pytest.raises(KeyError), activation_means([layer]):
        raise KeyError
    assert list(layer._forward_hooks) == [theirs.id]


def test_half_precision_outputs_are_summed_in_float32() -> None:
    layer = identity().to(torch.bfloat16)
    with activation_means([layer]) as means:
        layer(torch.full((1000, 2), 1.0, dtype=torch.bfloat16))  # a bfloat16 sum would stop at 256
    assert means.mean(layer).dtype is torch.float32
    assert means.mean(layer).tolist() == [1, 1]


def test_deberta_projects_its_table_of_positions_with_watched_layers() -> None:
    """What the rule about calls without tokens is for is still so in the installed transformers."""
    model = tiny("deberta-v2")
    layers = linear_layers(model, list(prunable_parameters(model)))
    (query,) = layers["deberta.encoder.layer.0.attention.self.query_proj.weight"]
    shapes = []
    hook = query.register_forward_hook(lambda _m, _i, output: shapes.append(tuple(output.shape[:-1])))
    batch = tiny_batches(model)[0]
    with torch.no_grad():
        model(**batch)
    hook.remove()
    tokens = tuple(batch["input_ids"].shape)
    assert tokens in shapes
    assert [shape for shape in shapes if shape != tokens]


def test_means_are_float32_inside_autocast() -> None:
    """Autocast would take the weighted sum over tokens back to bfloat16."""
    layer = identity()
    values = torch.full((1, 300, 2), 1.0) + torch.arange(300).view(1, 300, 1) / 128  # exact in bfloat16
    mask = torch.ones(1, 300, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16), activation_means([layer], mask) as means:
        seen = layer(values)
    assert seen.dtype is torch.bfloat16
    assert means.mean(layer).dtype is torch.float32
    torch.testing.assert_close(means.mean(layer), seen.double().mean((0, 1)).float(), rtol=1e-6, atol=0)


TOKENS = torch.tensor([[1, 1, 0], [1, 1, 1]])  # (batch, tokens)
SEES = TOKENS[:, None, :].expand(2, 3, 3)  # (batch, tokens, tokens)


@pytest.mark.parametrize(
    "mask",
    [
        TOKENS,
        TOKENS.bool(),
        TOKENS.float(),
        SEES,
        SEES * SEES.mT,  # padding sees nothing either
        SEES[:, None],
        SEES[:, None].bool(),
        TOKENS[:, None, None],
        (1.0 - TOKENS[:, None, None]) * torch.finfo(torch.float32).min,  # added to the attention's scores
        torch.where(SEES[:, None].bool(), 0.0, -torch.inf),
    ],
    ids=lambda mask: f"{tuple(mask.shape)} {mask.dtype}",
)
def test_masks_of_the_usual_shapes_say_which_tokens_count(mask: Tensor) -> None:
    layer = identity()
    values = torch.tensor([[[1.0, 1], [2, 3], [900, 900]], [[3, 3], [4, 4], [5, 9]]])
    with activation_means([layer], mask) as means:
        layer(values)
    assert means.mean(layer).tolist() == [3, 4]
    with activation_means([layer], mask, padding=True) as means:
        layer(values)
    assert means.mean(layer).tolist() == pytest.approx([915 / 6, 920 / 6])


def test_a_causal_mask_leaves_no_token_out() -> None:
    assert token_mask(torch.ones(2, 4, 4).tril()).tolist() == [[1] * 4] * 2


@pytest.mark.parametrize("shape", [(2,), (2, 2, 3), (2, 4, 3, 3), (2, 1, 2, 3), (1, 1, 1, 2, 3)])
def test_masks_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ScoringError, match=r"^attention_mask: got shape .*must be \(batch, tokens\)"):
        token_mask(torch.ones(shape))


def test_a_batch_in_which_no_token_counts_is_refused() -> None:
    layer = identity()
    with (
        pytest.raises(ScoringError, match="not a single token"),
        activation_means([layer], torch.zeros(1, 2)) as _,
    ):
        layer(torch.ones(1, 2, 2))


def test_a_parameter_that_layers_share_is_observed_at_all_of_them() -> None:
    """By their tokens: one layer sees two of the batch's, the other all that it was given."""
    first, second = identity(), identity()
    second.weight = first.weight
    one = MeanOutput([first, second], ScoringOptions())
    watch = Watch([(one, [first, second])], Tokens(torch.tensor([[1, 1, 0]])))
    with watch.watching():
        first(torch.tensor([[[1.0, 1.0], [2.0, 2.0], [100.0, 100.0]]]))
        second(torch.tensor([[[6.0, 7.0], [7.0, 6.0], [100.0, 100.0]]]))
    watch.finish()
    assert one.compute(first.weight).tolist() == [[4], [4]]


def test_a_layer_that_is_called_with_a_named_argument_is_seen() -> None:
    layer = identity()
    with activation_means([layer]) as means:
        layer(input=torch.tensor([[1.0, 2.0]]))
    assert means.mean(layer).tolist() == [1, 2]
