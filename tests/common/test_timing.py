from __future__ import annotations

from itertools import count

from deepcuts.common.timing import Fastest, Timing, in_turns


def test_medians_and_quarters() -> None:
    timing = Timing.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (timing.median, timing.low, timing.high, timing.turns) == (3.0, 2.0, 4.0, 5)


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
    times = in_turns(
        {name: lambda name=name: do(name) for name in late},
        8,
        clock=lambda: float(next(ticks) + offset),
        advance=lambda: next(turns),
    )
    found = {name: Timing.of(seconds) for name, seconds in times.items()}
    assert next(turns) == 8
    assert calls[:2] == ["a", "b"]  # once each before
    pairs = list(zip(calls[2::2], calls[3::2], strict=True))
    assert all(first == second for first, second in pairs)
    orders = {(pairs[at][0], pairs[at + 1][0]) for at in range(0, len(pairs), 2)}
    assert orders == {("a", "b"), ("b", "a")}  # the order changes
    # The clock is read before and after the second call alone: 1 tick and its own delay.
    assert (found["a"].median, found["a"].turns) == (11.0, 8)
    assert found["b"].median == 101.0


def test_a_thing_may_be_done_once_a_turn_and_without_any_warming_up() -> None:
    calls: list[str] = []
    ticks = count()
    things = {name: lambda name=name: calls.append(name) for name in "ab"}
    found = in_turns(things, 3, warm_up=0, settle=0, clock=lambda: float(next(ticks)))
    assert sorted(calls) == list("aaabbb")
    assert found == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_least_times_settle_when_none_falls_for_a_while() -> None:
    enough = Fastest(patience=2, share=0.1)
    turns = [(9.0, 9.0), (9.5, 9.0), (9.0, 8.5), (7.0, 9.0), (9.0, 8.2), (9.0, 8.0), (9.0, 9.0), (1.0, 1.0)]
    times: dict[str, list[float]] = {"a": [], "b": []}
    said = []
    for a, b in turns:
        times["a"].append(a)
        times["b"].append(b)
        said.append(enough(times))
    # 9.5, and 8.5 after 9, are no falls; 7 is one; 8.2 after 9 is none, 8 is one
    assert said == [False, False, True, False, False, False, False, False]
    seconds = iter([5.0, 4.0, 6.0, 7.0, 1.0])
    now = 0.0

    def do() -> None:
        nonlocal now
        now += next(seconds)

    found = in_turns({"a": do}, 5, warm_up=0, settle=0, clock=lambda: now, enough=Fastest(patience=2))
    assert found == {"a": [5.0, 4.0, 6.0, 7.0]}
