from __future__ import annotations

from itertools import count

import pytest

from deepcuts.common.errors import InputError
from deepcuts.deploy.bench.timing import Shape, Timing, in_turns


def test_shapes_are_rows_and_tokens() -> None:
    assert Shape.parse("16x128") == Shape(16, 128)
    assert str(Shape.parse("1X32")) == "1x32"


@pytest.mark.parametrize("text", ["", "16", "16x", "x128", "0x128", "16x0", "-1x8", "1.5x8", "1x2x3", "²x8"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"shape: got .* ROWSxTOKENS"):
        Shape.parse(text)


def test_medians_and_quarters() -> None:
    timing = Timing.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (timing.median, timing.low, timing.high, timing.turns) == (3.0, 2.0, 4.0, 5)
    told = timing.as_json(Shape(6, 10))
    assert (told["median_ms"], told["texts_per_second"], told["tokens_per_second"]) == (3000.0, 2.0, 20.0)


def test_faster_means_that_the_middle_halves_do_not_touch() -> None:
    slow = Timing(3.0, 2.5, 3.5, 9)
    assert Timing(2.0, 1.9, 2.4, 9).clearly_below(slow)
    assert not Timing(2.0, 1.9, 2.5, 9).clearly_below(slow)
    assert not slow.clearly_below(Timing(2.0, 1.9, 2.4, 9))


def test_each_turn_does_everything_twice_side_by_side_and_counts_the_second() -> None:
    calls: list[str] = []
    ticks = count()
    # The clock goes on by one tick a reading, and by 10 and 100 more in the second call of each.
    late = {"a": 10, "b": 100}
    offset = 0

    def do(name: str) -> None:
        nonlocal offset
        calls.append(name)
        if len(calls) > 2 and calls[-2] == name:
            offset += late[name]

    turns = count()
    found = in_turns(
        {name: lambda name=name: do(name) for name in late},
        8,
        clock=lambda: float(next(ticks) + offset),
        advance=lambda: next(turns),
    )
    assert next(turns) == 8
    assert calls[:2] == ["a", "b"]  # once each before
    pairs = list(zip(calls[2::2], calls[3::2], strict=True))
    assert all(first == second for first, second in pairs)
    orders = {(pairs[at][0], pairs[at + 1][0]) for at in range(0, len(pairs), 2)}
    assert orders == {("a", "b"), ("b", "a")}  # the order changes
    # The clock is read before and after the second call alone: 1 tick and its own delay.
    assert (found["a"].median, found["a"].turns) == (11.0, 8)
    assert found["b"].median == 101.0


def test_too_few_turns_are_refused() -> None:
    with pytest.raises(InputError, match="turns: got 2"):
        in_turns({"a": lambda: None}, 2)
