"""What to use, in one sentence, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepcuts.deploy.bench.results import Result
from deepcuts.deploy.bench.shape import Shape


def fault(
    measures: Mapping[str, float], reference: Mapping[str, float], primary: str, tolerance: float
) -> str | None:
    """Why a way to run the model must not be used, from what it measures on dev; None if it may.

    Args:
        measures: Its own.
        reference: Those of the reference.
        primary: Which one decides; higher is better.
        tolerance: How far it may be below the reference's.
    """
    if measures[primary] >= reference[primary] - tolerance:
        return None
    return (
        f"its {primary} on dev is {measures[primary]:.4f}, more than {tolerance:g} below the "
        f"{reference[primary]:.4f} of the reference"
    )


def advice(results: Sequence[Result], shapes: Sequence[Shape], *, device: str, primary: str | None) -> str:
    """What to use here, and where dense is faster than sparse, in one sentence.

    Faster means clearly: the middle halves of the times do not touch. Where nothing is clearly faster than
    the reference, the reference is what to use.

    Args:
        results: The reference first; those that were skipped or are at fault are not recommended.
        shapes: All that were timed.
        device: ``cpu`` or ``cuda``.
        primary: The measure on dev that is told; None if nothing was measured.
    """
    reference = results[0]
    usable = [one for one in results if one is reference or (one.timings and one.fault is None)]
    winners: dict[str, list[Shape]] = {}
    for shape in shapes:
        best = _fastest(usable, shape)
        winner = best if best.timings[shape].clearly_below(reference.timings[shape]) else reference
        winners.setdefault(winner.name, []).append(shape)
    by_name = {one.name: one for one in usable}
    parts = [_use(by_name[name], reference, found, shapes, primary) for name, found in winners.items()]
    zeros = _on_gpu() if device == "cuda" else _zeros(results, usable, shapes)
    caution = "" if primary else "; nothing was measured on dev, so measure before you rely on it"
    return f"Use {_joined(parts)}: {zeros}{caution}."


def _use(
    best: Result, reference: Result, found: Sequence[Shape], shapes: Sequence[Shape], primary: str | None
) -> str:
    where = "here" if len(found) == len(shapes) else f"at {_listed(found)}"
    if best is reference:
        return f"{best.title} {where} (nothing that may be used is clearly faster)"
    told = f"{_times(reference, best, found)} as fast as {reference.title}"
    if primary and best.measures and reference.measures:
        told += f", {primary} {best.measures[primary]:.4f} beside {reference.measures[primary]:.4f}"
    return f"{best.title} {where} ({told})"


def _zeros(results: Sequence[Result], usable: Sequence[Result], shapes: Sequence[Shape]) -> str:
    """What leaving out the zeros brings on a CPU, beside the best that computes with them."""
    sparse = [one for one in usable if one.sparse]
    if not sparse:
        if any(one.sparse and one.fault for one in results):
            return "no sparse way may be used"
        return "no sparse way was run"
    dense = [one for one in usable if not one.sparse]
    groups: dict[str, list[tuple[Shape, Result, Result]]] = {"sparse": [], "dense": [], "neither": []}
    for shape in shapes:
        ours, theirs = _fastest(sparse, shape), _fastest(dense, shape)
        if ours.timings[shape].clearly_below(theirs.timings[shape]):
            groups["sparse"].append((shape, ours, theirs))
        elif theirs.timings[shape].clearly_below(ours.timings[shape]):
            groups["dense"].append((shape, theirs, ours))
        else:
            groups["neither"].append((shape, ours, theirs))
    parts = []
    for name, found in groups.items():
        if not found:
            continue
        everywhere = len(found) == len(shapes)
        where = (
            "at every shape" if everywhere and len(shapes) > 1 else f"at {_listed([s for s, _, _ in found])}"
        )
        if name == "neither":
            parts.append(f"neither dense nor sparse is clearly faster {where}")
            continue
        other = "dense" if name == "sparse" else "sparse"
        ratios = [slow.timings[shape].median / fast.timings[shape].median for shape, fast, slow in found]
        parts.append(f"{name} is faster than {other} {where} ({_span(ratios)}, the best of each)")
    return _joined(parts)


def _on_gpu() -> str:
    return "unstructured zeros do not help on a GPU, where the model runs dense and only its file is smaller"


def _fastest(results: Sequence[Result], shape: Shape) -> Result:
    return min(results, key=lambda one: one.timings[shape].median)


def _times(slow: Result, fast: Result, shapes: Sequence[Shape]) -> str:
    return _span([slow.timings[shape].median / fast.timings[shape].median for shape in shapes])


def _span(ratios: Sequence[float]) -> str:
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return f"{low} times" if low == high else f"{low} to {high} times"


def _listed(shapes: Sequence[Shape]) -> str:
    return _joined([str(shape) for shape in shapes])


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
