from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from deepcuts import ScoringOptions
from deepcuts.common.errors import InputError


def test_defaults_are_those_of_the_method() -> None:
    assert ScoringOptions().as_dict() == {
        "shift": 10.0,
        "noise_std": 0.1,
        "paths": 10,
        "dropout": False,
        "precision": "fp32",
        "compile": False,
        "padding": False,
        "max_batches": None,
        "max_smooth_batches": None,
        "explain": None,
        "points": 8,
        "epsilon": 1e-6,
        "attention_relevance": "shared",
        "reference": "padding",
        "block_size": 16,
        "fisher_dampening": 1e-7,
        "gram_dampening": 0.01,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("shift", value) for value in (math.nan, math.inf, -math.inf)],
        *[("noise_std", value) for value in (math.nan, math.inf, -0.1)],
        *[("paths", value) for value in (0, -1)],
        *[("max_batches", value) for value in (0, -1)],
        *[("max_smooth_batches", value) for value in (0, -1)],
    ],
)
def test_values_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name}: got {value!r}"):
        ScoringOptions(**{name: value})


def test_values_at_the_edge_are_taken() -> None:
    ScoringOptions(shift=-3.5, noise_std=0, paths=1, max_batches=1, max_smooth_batches=1)


def test_options_never_change() -> None:
    with pytest.raises(FrozenInstanceError):
        ScoringOptions().paths = 3  # type: ignore[misc]
