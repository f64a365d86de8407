"""The numbers of a comparison as plain rows, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from deepcuts.architectures.places import place_of
from deepcuts.masks.bits import MaskBits
from deepcuts.report.analysis.overlap import Counts, count_overlap, count_shared, grouped, head_overlap

Row = dict[str, Any]


def overlap_table(masks: Mapping[str, MaskBits], heads: int | None = None) -> list[Row]:
    """Every pair of masks, compared overall and by part.

    Args:
        masks: Label → masks, of the same tensors.
        heads: Number of attention heads of a layer; None leaves heads out.

    Returns:
        Rows of ``first`` and ``second`` (labels), ``level`` (overall, mean over tensors, minimum over
        tensors, kind, layer, block, tensor, head), ``part``, ``weights``, both densities, both overlaps with
        their chance levels, and ``kappa``. A mean or minimum is taken of each measure on its own.

    Raises:
        MismatchError: The masks are of different tensors.
    """
    rows: list[Row] = []
    for first, second in combinations(masks, 2):
        counts = count_overlap(masks[first], masks[second])
        levels: dict[str, Mapping[str, Counts]] = {
            "overall": grouped(counts, lambda name: "all"),
            "kind": grouped(counts, _kind),
            "layer": grouped(counts, _layer),
            "block": grouped(counts, _block),
            "tensor": counts,
        }
        if heads is not None:
            levels["head"] = head_overlap(masks[first], masks[second], heads)
        by_tensor = [_measures(one) for one in counts.values()]
        for level, parts in levels.items():
            for part, one in parts.items():
                rows.append(
                    {"first": first, "second": second, "level": level, "part": part, **_measures(one)}
                )
            if level == "overall":
                for title, over in _SUMMARIES.items():
                    summary = {name: over([row[name] for row in by_tensor]) for name in by_tensor[0]}
                    rows.append({"first": first, "second": second, "level": title, "part": "all", **summary})
    return rows


def density_table(masks: Mapping[str, MaskBits]) -> list[Row]:
    """Where each mask keeps its weights.

    Args:
        masks: Label → masks.

    Returns:
        Rows of ``masks`` (the label), ``level`` (overall, kind, layer, block, tensor), ``part``, ``weights``,
        ``kept`` and ``density``.
    """
    rows: list[Row] = []
    groups: dict[str, Callable[[str], str | None]] = {
        "overall": lambda name: "all", "kind": _kind, "layer": _layer, "block": _block, "tensor": str,
    }  # fmt: skip
    for label, one in masks.items():
        alone = {name: Counts(mask.weights, mask.kept, 0, 0) for name, mask in one.items()}
        for level, group in groups.items():
            for part, counts in grouped(alone, group).items():
                rows.append(
                    {
                        "masks": label,
                        "level": level,
                        "part": part,
                        "weights": counts.weights,
                        "kept": counts.first,
                        "density": counts.first / counts.weights,
                    }
                )
    return rows


def shared_table(masks: Mapping[str, MaskBits]) -> list[Row]:
    """Weights that all masks keep, overall and by kind, beside chance.

    Args:
        masks: Label → masks, two or more, of the same tensors; such as one a task.

    Returns:
        Rows of ``level`` (overall, kind), ``part``, ``weights``, ``kept_by_all`` and ``expected_by_chance``.

    Raises:
        InputError: There are fewer than two masks.
        MismatchError: The masks are of different tensors.
    """
    totals: dict[tuple[str, str], list[float]] = {}
    for name, found in count_shared(list(masks.values())).items():
        for key in (("overall", "all"), ("kind", _kind(name))):
            totals[key] = [a + b for a, b in zip(totals.get(key, [0, 0, 0.0]), found, strict=True)]
    return [
        {
            "level": level,
            "part": part,
            "weights": int(weights),
            "kept_by_all": int(kept),
            "expected_by_chance": chance,
        }
        for (level, part), (weights, kept, chance) in sorted(
            totals.items(), key=lambda item: item[0][0] != "overall"
        )
    ]


def _measures(counts: Counts) -> Row:
    first, second = counts.densities
    return {
        "weights": counts.weights,
        "first_density": first,
        "second_density": second,
        "kept_iou": counts.kept_iou,
        "kept_chance": counts.kept_chance,
        "pruned_iou": counts.pruned_iou,
        "pruned_chance": counts.pruned_chance,
        "kappa": counts.kappa,
    }


_SUMMARIES: dict[str, Callable[[list[float]], float]] = {
    "mean over tensors": lambda values: sum(values) / len(values),
    "minimum over tensors": min,
}


def _kind(name: str) -> str:
    place = place_of(name)
    return "biases" if place.is_bias else place.kind


def _layer(name: str) -> str | None:
    place = place_of(name)
    return None if place.layer is None else f"layer {place.layer}"


def _block(name: str) -> str | None:
    place = place_of(name)
    return None if place.layer is None else f"layer {place.layer}, {place.block}"
