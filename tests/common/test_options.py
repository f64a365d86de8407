"""Options check their values, and say what is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pytest

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option, checked_values, options_of, setting

SHIFT = Option("shift", float, 10.0, "added to the activations", symbol="λ")
PATHS = Option("paths", int, 10, "noisy passes a batch", at_least=1)
BATCHES = Option("max_batches", int, None, "batches at most", at_least=1, setting="score_batches")
PRECISION = Option("precision", str, "fp32", "of the passes", choices=("fp32", "bf16"))
DROPOUT = Option("dropout", bool, False, "while scoring")
BETAS = Option("betas", float, (0.9, 0.999), "Adam's", at_least=0, below=1, count=2)
NAMES = Option("names", str, None, "of parameters", count=None)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [(SHIFT, 3, 3.0), (SHIFT, -0.5, -0.5), (PATHS, 1, 1), (BATCHES, None, None), (PRECISION, "bf16", "bf16"),
     (DROPOUT, True, True), (BETAS, [0, 0.5], (0.0, 0.5)), (NAMES, ["a", "b", "c"], ("a", "b", "c")),
     (NAMES, None, None)],
)  # fmt: skip
def test_allowed_values(option: Option, value: object, expected: object) -> None:
    found = option.checked(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (SHIFT, math.nan), (SHIFT, math.inf), (SHIFT, "3"), (SHIFT, True), (SHIFT, None), (PATHS, 0),
        (PATHS, 1.5), (PATHS, True), (BATCHES, 0), (PRECISION, "fp16"), (DROPOUT, 1),
        (BETAS, 0.9), (BETAS, (0.9,)), (BETAS, (0.9, 1.0)), (BETAS, None), (NAMES, "abc"), (NAMES, [1]),
    ],
)  # fmt: skip
def test_other_values_are_refused_with_what_is_allowed(option: Option, value: object) -> None:
    with pytest.raises(InputError) as error:
        option.checked(value)
    assert error.value.argument == option.setting
    assert error.value.value is value
    assert option.allowed in str(error.value)


def test_what_is_allowed_is_a_phrase() -> None:
    assert SHIFT.allowed == "a finite number"
    assert PATHS.allowed == "a whole number, 1 or more"
    assert BATCHES.allowed == "a whole number, 1 or more, or None"
    assert PRECISION.allowed == "fp32 or bf16"
    assert Option("d", float, 0.5, "", above=0, at_most=1).allowed == "a finite number, above 0, 1 at most"


def test_what_is_allowed_of_several_values_says_how_many() -> None:
    assert BETAS.allowed == "2 of: a finite number, 0 or more, below 1"
    assert NAMES.allowed == "any number of: a text, or None"


def test_it_is_called_by_its_setting_and_symbol_unless_it_has_a_title() -> None:
    assert SHIFT.title == "shift λ"
    assert BATCHES.title == "score batches"
    assert Option("paths", int, 10, "", title="noisy passes").title == "noisy passes"


def test_values_of_several() -> None:
    assert checked_values([SHIFT, PATHS], {"shift": 2}) == {"shift": 2.0, "paths": 10}
    with pytest.raises(InputError, match=r"the options are shift, paths"):
        checked_values([SHIFT, PATHS], {"shft": 2})


@dataclass(frozen=True)
class Plan:
    epochs: int
    rate: float = setting(0.1, "Of learning.", above=0)
    decay: Literal["constant", "linear"] = setting("constant", "Of the rate.")
    patience: int | None = setting(None, "In epochs.", at_least=1)
    betas: tuple[float, float] = setting((0.9, 0.999), "Adam's.", below=1)
    names: tuple[str, ...] = setting((), "Of parameters.", setting="prunable")
    seed: int = 0


def test_a_dataclass_declares_its_fields_as_options() -> None:
    assert Plan(3) == Plan(3, 0.1, "constant", None, (0.9, 0.999), (), 0)
    assert options_of(Plan) == (
        Option("rate", float, 0.1, "Of learning.", above=0),
        Option("decay", str, "constant", "Of the rate.", choices=("constant", "linear")),
        Option("patience", int, None, "In epochs.", at_least=1),
        Option("betas", float, (0.9, 0.999), "Adam's.", below=1, count=2),
        Option("names", str, (), "Of parameters.", setting="prunable", count=None),
    )
