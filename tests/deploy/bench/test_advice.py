"""The advice, on numbers made by hand."""

from __future__ import annotations

from deepcuts.common.timing import Timing
from deepcuts.deploy.bench.advice import advice, fault
from deepcuts.deploy.bench.results import Result
from deepcuts.deploy.bench.shape import Shape

SHORT, LONG = Shape(1, 32), Shape(16, 128)


def result(name: str, short: float, long: float, *, spread: float = 0.1, **given: object) -> Result:
    """Medians at the two shapes; the middle half is 10 % to both sides."""
    timings = {
        shape: Timing(median, median * (1 - spread), median * (1 + spread), 9)
        for shape, median in {SHORT: short, LONG: long}.items()
    }
    return Result(name, name, sparse=name.startswith("sparse"), timings=timings, **given)  # type: ignore[arg-type]


TORCH = result("torch", 4.0, 40.0, measures={"pearson": 0.85})


def advise(*others: Result, device: str = "cpu", primary: str | None = "pearson") -> str:
    return advice([TORCH, *others], [SHORT, LONG], device=device, primary=primary)


def test_each_is_recommended_where_it_is_the_fastest() -> None:
    measures = {"pearson": 0.849}
    assert advise(result("onnx", 3.0, 10.0), result("sparse", 2.0, 16.0, measures=measures)) == (
        "Use sparse at 1x32 (2.00 times as fast as torch, pearson 0.8490 beside 0.8500) and "
        "onnx at 16x128 (4.00 times as fast as torch): "
        "sparse is faster than dense at 1x32 (1.50 times, the best of each) and "
        "dense is faster than sparse at 16x128 (1.60 times, the best of each)."
    )


def test_sparse_everywhere() -> None:
    assert advise(result("onnx", 3.0, 30.0), result("sparse", 2.0, 20.0)) == (
        "Use sparse here (2.00 times as fast as torch): "
        "sparse is faster than dense at every shape (1.50 times, the best of each)."
    )


def test_that_dense_is_faster_is_said() -> None:
    assert advise(result("onnx", 1.0, 10.0), result("sparse", 2.0, 30.0)) == (
        "Use onnx here (4.00 times as fast as torch): "
        "dense is faster than sparse at every shape (2.00 to 3.00 times, the best of each)."
    )


def test_what_is_not_clear_is_not_claimed() -> None:
    """The middle halves touch: 2.0 to 4.0 beside 3.6 to 4.4."""
    assert advise(result("sparse", 3.0, 30.0, spread=0.34)) == (
        "Use torch here (nothing that may be used is clearly faster): "
        "neither dense nor sparse is clearly faster at every shape."
    )


def test_a_fast_but_wrong_way_is_never_recommended() -> None:
    wrong = result("sparse", 0.1, 1.0, fault="its pearson is low")
    found = advise(wrong, result("onnx", 2.0, 20.0))
    assert found == "Use onnx here (2.00 times as fast as torch): no sparse way may be used."


def test_without_a_sparse_way_nothing_is_said_of_one() -> None:
    skipped = Result("sparse", "sparse", sparse=True, skipped="not pruned")
    assert advise(skipped, result("onnx", 2.0, 20.0)).endswith(": no sparse way was run.")


def test_without_measures_it_says_so() -> None:
    found = advise(result("sparse", 2.0, 20.0), primary=None)
    assert found.endswith("; nothing was measured on dev, so measure before you rely on it.")


def test_on_a_gpu_it_says_that_zeros_do_not_help() -> None:
    assert advise(result("bf16", 2.0, 20.0), result("graphs", 1.0, 15.0), device="cuda") == (
        "Use graphs here (2.67 to 4.00 times as fast as torch): unstructured zeros do not help on a GPU, "
        "where the model runs dense and only its file is smaller."
    )


def test_a_measure_may_be_below_the_references_by_the_tolerance_and_no_more() -> None:
    reference = {"pearson": 0.75, "mse": 1.0}
    assert fault({"pearson": 0.5, "mse": 0.0}, reference, "pearson", 0.25) is None
    assert fault({"pearson": 0.9, "mse": 9.0}, reference, "pearson", 0.0) is None
    assert fault({"pearson": 0.25, "mse": 0.0}, reference, "pearson", 0.25) == (
        "its pearson on dev is 0.2500, more than 0.25 below the 0.7500 of the reference"
    )
