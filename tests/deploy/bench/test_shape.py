from __future__ import annotations

import pytest

from deepcuts.common.errors import InputError
from deepcuts.deploy.bench.shape import Shape, check_turns


def test_shapes_are_rows_and_tokens() -> None:
    assert Shape.parse("16x128") == Shape(16, 128)
    assert str(Shape.parse("1X32")) == "1x32"


@pytest.mark.parametrize("text", ["", "16", "16x", "x128", "0x128", "16x0", "-1x8", "1.5x8", "1x2x3", "²x8"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"shape: got .* ROWSxTOKENS"):
        Shape.parse(text)


def test_too_few_turns_are_refused() -> None:
    with pytest.raises(InputError, match="turns: got 2"):
        check_turns(2)
