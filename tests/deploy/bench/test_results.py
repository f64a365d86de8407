from __future__ import annotations

from deepcuts.common.timing import Timing
from deepcuts.deploy.bench.results import Result
from deepcuts.deploy.bench.shape import Shape


def test_times_are_told_in_milliseconds_and_texts_a_second() -> None:
    result = Result("a", "A", timings={Shape(6, 10): Timing(3.0, 2.0, 4.0, 5)})
    told = result.as_json()["timings"]["6x10"]
    assert (told["median_ms"], told["texts_per_second"], told["tokens_per_second"]) == (3000.0, 2.0, 20.0)
    assert (told["low_quarter_ms"], told["high_quarter_ms"], told["turns"]) == (2000.0, 4000.0, 5)
