from __future__ import annotations

import pytest

from deepcuts.common import errors
from deepcuts.common.errors import DeepcutsError, InputError

CHILDREN = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, DeepcutsError) and found is not DeepcutsError
]


@pytest.mark.parametrize("error", CHILDREN)
def test_every_error_is_caught_as_the_base_and_explained(error: type[DeepcutsError]) -> None:
    assert error.__doc__
    assert error.exit_status in (1, 2)


def test_an_input_error_names_the_argument_the_value_and_what_is_allowed() -> None:
    error = InputError("density", 2, "it must be at most 1")
    assert str(error) == "density: got 2, but it must be at most 1"
    assert (error.argument, error.value, error.allowed) == ("density", 2, "it must be at most 1")
    assert isinstance(error, ValueError)


def test_failed_work_exits_with_one_and_bad_input_with_two() -> None:
    assert errors.InvariantError.exit_status == errors.DivergedError.exit_status == 1
    assert errors.InputError.exit_status == errors.MismatchError.exit_status == 2
