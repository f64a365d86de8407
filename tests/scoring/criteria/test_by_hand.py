"""Every criterion on a model of two linear layers, against numbers worked out by hand.

The model is h = W1 x + b1, y = W2 h + b2, and the loss of a batch is the sum of y over its rows, with

    W1 = [[1, -2], [3, 0.5]]    b1 = [0.5, -1]    W2 = [[2, -1]]    b2 = [0.25]

First batch, x = (1, 2):
    h = (1 - 4 + 0.5, 3 + 1 - 1) = (-2.5, 3)                 a of the first layer
    y = 2 * -2.5 - 3 + 0.25 = -7.75                          a of the second layer
    dL/dW2 = h = [[-2.5, 3]]    dL/db2 = 1    dL/dh = W2 = (2, -1)
    dL/dW1 = (2, -1) outer x = [[2, 4], [-1, -2]]    dL/db1 = (2, -1)
    w * g:  W1 [[2, -8], [-3, -1]]   b1 (1, 1)   W2 [[-5, -3]]   b2 0.25

Second batch, x = (1, 0) and (-1, 1):
    h = (1.5, 2) and (-2.5, -3.5), mean (-0.5, -0.75);  y = 1.25 and -1.25, mean 0
    dL/dW2 = sum of h = [[-1, -1.5]]    dL/db2 = 2
    dL/dW1 = (2, -1) outer (0, 1) = [[0, 2], [0, -1]]    dL/db1 = (4, -2)
    w * g:  W1 [[0, -4], [0, -0.5]]   b1 (2, 2)   W2 [[-2, 1.5]]   b2 0.5

All numbers are exact in binary, so they are compared exactly.
"""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from deepcuts import ScoringOptions, score
from deepcuts.common.seeds import derive_seed

NAMES = ["first.weight", "first.bias", "second.weight", "second.bias"]
FIRST = {"x": torch.tensor([[1.0, 2.0]])}
SECOND = {"x": torch.tensor([[1.0, 0.0], [-1.0, 1.0]])}


def two_layers() -> nn.Module:
    model = nn.Sequential(OrderedDict(first=nn.Linear(2, 2), second=nn.Linear(2, 1)))
    values = ([[1.0, -2.0], [3.0, 0.5]], [0.5, -1.0], [[2.0, -1.0]], [0.25])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(value))
    return model


def sum_of_outputs(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(batch["x"]).sum()


def scores_of(name: str, *batches: dict[str, Tensor], **options: float) -> list[list[float]]:
    scores = score(
        two_layers(),
        batches,
        [name],
        loss_fn=sum_of_outputs,
        prunable=NAMES,
        options=ScoringOptions(**options),
    )[name]
    assert list(scores) == NAMES
    return [value.tolist() for value in scores.values()]


EXPECTED = {
    # |w|, once, however many batches there are
    "LayerMagWeight": (
        [[[1, 2], [3, 0.5]], [0.5, 1], [[2, 1]], [0.25]],
        [[[1, 2], [3, 0.5]], [0.5, 1], [[2, 1]], [0.25]],
    ),
    # |w g|
    "LayerMagGrad": (
        [[[2, 8], [3, 1]], [1, 1], [[5, 3]], [0.25]],
        [[[0, 4], [0, 0.5]], [2, 2], [[2, 1.5]], [0.5]],
    ),
    # times |a|: (2.5, 3) and 7.75; then (0.5, 0.75) and 0
    "LayerGradCAM": (
        [[[5, 20], [9, 3]], [2.5, 3], [[38.75, 23.25]], [1.9375]],
        [[[0, 2], [0, 0.375]], [1, 1.5], [[0, 0]], [0]],
    ),
    # times |a + 10|: (7.5, 13) and 2.25; then (9.5, 9.25) and 10
    "LayerGradCAMShift": (
        [[[15, 60], [39, 13]], [7.5, 13], [[11.25, 6.75]], [0.5625]],
        [[[0, 38], [0, 4.625]], [19, 18.5], [[20, 15]], [5]],
    ),
    # times max(a, 0): (0, 3) and 0; then (0, 0) and 0
    "LayerGradCAMReLU": (
        [[[0, 0], [9, 3]], [0, 3], [[0, 0]], [0]],
        [[[0, 0], [0, 0]], [0, 0], [[0, 0]], [0]],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_score_of_one_batch_is_the_formula(name: str) -> None:
    first, second = EXPECTED[name]
    assert scores_of(name, FIRST) == first
    assert scores_of(name, SECOND) == second


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "LayerMagWeight"])
def test_score_of_two_batches_is_the_sum_of_their_absolute_values(name: str) -> None:
    first, second = ([torch.tensor(value, dtype=torch.float32) for value in part] for part in EXPECTED[name])
    both = [(one + other).tolist() for one, other in zip(first, second, strict=True)]
    assert scores_of(name, FIRST, SECOND) == both


def test_magnitude_does_not_grow_with_the_number_of_batches() -> None:
    assert scores_of("LayerMagWeight", FIRST, SECOND) == EXPECTED["LayerMagWeight"][0]


def test_the_shift_is_the_option() -> None:
    # |w g (a - 3)| with a = (-2.5, 3), -7.75
    assert scores_of("LayerGradCAMShift", FIRST, shift=-3.0) == [
        [[2 * 5.5, 8 * 5.5], [0, 0]],
        [5.5, 0],
        [[5 * 10.75, 3 * 10.75]],
        [0.25 * 10.75],
    ]


def test_shift_of_zero_is_gradcam() -> None:
    assert scores_of("LayerGradCAMShift", FIRST, SECOND, shift=0.0) == scores_of(
        "LayerGradCAM", FIRST, SECOND
    )


def noise_of_second_batch(std: float, paths: int, seed: int) -> Tensor:
    """Noise on h in each pass, ``(paths, 2 rows, 2)``, drawn as `noisy_linear_layers` says it is."""
    batch_seed = derive_seed(seed, "batch", 0)
    drawn = []
    for path in range(paths):
        generator = torch.Generator().manual_seed(derive_seed(batch_seed, "path", path))
        drawn.append(torch.randn(2, 2, generator=generator))  # the first layer runs first
    return std * torch.stack(drawn)


@pytest.mark.parametrize(
    ("name", "cam_of_first", "cam_of_second"),
    [
        ("LayerSmoothGrad", (1, 1), 1),
        ("LayerSmoothGradCAM", (0.5, 0.75), 0),  # |a| of the clean pass
        ("LayerSmoothGradCAMShift", (9.5, 9.25), 10),  # |a + 10|
        ("LayerSmoothGradCAMReLU", (0, 0), 0),
    ],
)
def test_smooth_score_is_the_mean_gradient_times_the_clean_activation(
    name: str, cam_of_first: tuple[float, float], cam_of_second: float
) -> None:
    """The loss is linear in h, so noise on h moves dL/dW2 = sum of h alone, and only by its own sum."""
    found = scores_of(name, SECOND, noise_std=0.5, paths=3)
    noise = noise_of_second_batch(0.5, 3, seed=0)
    gradient = torch.tensor([-1.0, -1.5]) + noise.sum(1).mean(0)  # dL/dW2, mean over the passes
    assert noise.sum(1).mean(0).abs().min() > 0.01, "a test of the noise needs some"
    expected_second = (torch.tensor([2.0, -1.0]) * gradient).abs() * cam_of_second
    row, other = cam_of_first
    assert found[0] == [[0, 4 * row], [0, 0.5 * other]]
    assert found[1] == [2 * row, 2 * other]
    torch.testing.assert_close(torch.tensor(found[2][0]), expected_second)
    assert found[3] == [0.5 * cam_of_second]


def test_random_scores_are_uniform_streams_of_the_seed_and_the_tensors_name() -> None:
    model = two_layers()
    scores = score(model, [], ["Random"], seed=7, prunable=NAMES)["Random"]
    for name, value in scores.items():
        generator = torch.Generator().manual_seed(derive_seed(7, "tensor", name))
        assert torch.equal(value, torch.rand(value.shape, generator=generator))
