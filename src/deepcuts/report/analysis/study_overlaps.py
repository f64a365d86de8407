"""How alike the masks of a study are: between strategies, by layer, between seeds, between tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from deepcuts.masks.bits import MaskBits
from deepcuts.report.analysis import Counts, count_overlap, grouped, place_of, shared_table
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.cells import Cell, is_control, seeds_of

#: The paper's ratios 3 and 3.5 as densities of BERT-base: overlap by layer is drawn near these.
PAPER_DENSITIES = (0.147, 0.0865)
BLOCKS = ("attention", "feed-forward")


@dataclass(frozen=True)
class Overlap:
    """Overlap of two masks' kept weights, or its mean over seeds.

    Attributes:
        mean: Mean over tensors of intersection over union (DeepCuts, fig. 9).
        minimum: The least of them.
        overall: Over all weights together.
        chance: What `mean` is for independent masks of the same densities.
        overall_chance: What `overall` is for them.
        kappa: Cohen's kappa over all weights together: 0 for independent masks, 1 for equal ones.
        blocks: (layer, ``"attention"`` or ``"feed-forward"``) → intersection over union, and by chance.
    """

    mean: float
    minimum: float
    overall: float
    chance: float
    overall_chance: float
    kappa: float
    blocks: Mapping[tuple[int, str], tuple[float, float]]


def compare_masks(first: MaskBits, second: MaskBits) -> Overlap:
    """Compare two masks of the same tensors."""
    counts = count_overlap(first, second)
    whole = grouped(counts, lambda name: "all")["all"]
    by_block: dict[tuple[int, str], Counts] = {}
    for name, one in counts.items():
        place = place_of(name)
        if place.layer is not None and place.block in BLOCKS:
            key = (place.layer, place.block)
            by_block[key] = by_block[key] + one if key in by_block else one
    return Overlap(
        mean=fmean(one.kept_iou for one in counts.values()),
        minimum=min(one.kept_iou for one in counts.values()),
        overall=whole.kept_iou,
        chance=fmean(one.kept_chance for one in counts.values()),
        overall_chance=whole.kept_chance,
        kappa=whole.kappa,
        blocks={key: (one.kept_iou, one.kept_chance) for key, one in sorted(by_block.items())},
    )


def mean_overlap(overlaps: Sequence[Overlap]) -> Overlap:
    """The mean of each number, such as over seeds."""
    blocks = {
        key: (fmean(one.blocks[key][0] for one in overlaps), fmean(one.blocks[key][1] for one in overlaps))
        for key in overlaps[0].blocks
    }
    names = ("mean", "minimum", "overall", "chance", "overall_chance", "kappa")
    return Overlap(**{name: fmean(getattr(one, name) for one in overlaps) for name in names}, blocks=blocks)


def strategy_overlaps(study: Study, density: float) -> tuple[dict[tuple[str, str], Overlap], list[int]]:
    """Every pair of strategies at one density, mean over the seeds at which all of them were run.

    Where no seed has all of them, a pair is compared on the seeds that both have.

    Returns:
        (first, second) → overlap, in the order in which strategies are shown; and the seeds.
    """
    cells = _with_masks([cell for cell in study.done if cell.density == density])
    found: dict[tuple[str, str], list[Overlap]] = {}
    by_strategy = {
        name: {cell.seed for cell in cells if cell.strategy == name}
        for name in study.strategies
        if any(cell.strategy == name for cell in cells)
    }
    common = set.intersection(*by_strategy.values()) if by_strategy else set()
    for seed in sorted(common) or seeds_of(cells):
        masks = {
            name: MaskBits.load(cell.mask_file)
            for name in by_strategy
            for cell in cells
            if (cell.strategy, cell.seed) == (name, seed)
        }
        for first, second in combinations(masks, 2):
            found.setdefault((first, second), []).append(compare_masks(masks[first], masks[second]))
    return {pair: mean_overlap(each) for pair, each in found.items()}, sorted(common)


def seed_overlaps(study: Study) -> list[Row]:
    """Masks of one strategy and density from two seeds, mean over all pairs of seeds.

    Returns:
        Rows of ``strategy``, ``density``, ``seeds`` and ``overlap``.
    """
    rows: list[Row] = []
    for strategy in study.strategies:
        for density in study.densities:
            cells = _with_masks(study.at(strategy, density))
            if len(cells) > 1:
                masks = [MaskBits.load(cell.mask_file) for cell in cells]
                overlap = mean_overlap([compare_masks(*pair) for pair in combinations(masks, 2)])
                rows.append(
                    {"strategy": strategy, "density": density, "seeds": seeds_of(cells), "overlap": overlap}
                )
    return rows


def task_overlaps(studies: Sequence[Study]) -> list[Row]:
    """Masks of one strategy, seed and density from different tasks, for each model with two tasks or more.

    Of each model and task the first study counts, which has its most common setting.

    Returns:
        Rows of ``model``, ``tasks``, ``strategy``, ``density``, ``seeds``, ``overlap`` (mean over seeds and
        pairs of tasks), ``weights``, ``kept_by_all`` and ``expected_by_chance`` (means over seeds).
    """
    rows: list[Row] = []
    for model in dict.fromkeys(study.model for study in studies):
        by_task = {study.task: study for study in reversed(studies) if study.model == model}
        points = dict.fromkeys(
            (cell.strategy, cell.density, cell.seed) for study in by_task.values() for cell in study.done
        )
        found: dict[tuple[str, float], list[tuple[int, Overlap, Row]]] = {}
        for strategy, density, seed in points:
            cells = {
                task: cell
                for task, study in sorted(by_task.items())
                for cell in _with_masks(study.at(strategy, density))
                if cell.seed == seed
            }
            if len(cells) < max(2, len(by_task)):
                continue
            masks = {task: MaskBits.load(cell.mask_file) for task, cell in cells.items()}
            overlap = mean_overlap([compare_masks(*pair) for pair in combinations(masks.values(), 2)])
            found.setdefault((strategy, density), []).append((seed, overlap, shared_table(masks)[0]))
        for (strategy, density), each in found.items():
            rows.append(
                {
                    "model": model,
                    "tasks": sorted(by_task),
                    "strategy": strategy,
                    "density": density,
                    "seeds": sorted(seed for seed, _, _ in each),
                    "overlap": mean_overlap([overlap for _, overlap, _ in each]),
                    **{
                        name: fmean(shared[name] for _, _, shared in each)
                        for name in ("weights", "kept_by_all", "expected_by_chance")
                    },
                }
            )
    return rows


def layer_densities(study: Study) -> list[float]:
    """The two densities at which overlap by layer is drawn: those nearest to the paper's, descending."""
    found: list[float] = []
    for wanted in PAPER_DENSITIES:
        left = [density for density in study.densities if density not in found]
        if left:
            found.append(min(left, key=lambda density: abs(density - wanted)))
    return sorted(found, reverse=True)


def pairs_with(overlaps: Mapping[tuple[str, str], Overlap], reference: str) -> dict[str, Overlap]:
    """Overlaps of one strategy with each other one that is no control."""
    pairs = {
        (second if first == reference else first): overlap
        for (first, second), overlap in overlaps.items()
        if reference in (first, second)
    }
    return {name: overlap for name, overlap in pairs.items() if not is_control(name)}


def overlap_columns(overlap: Overlap) -> Row:
    """An overlap as columns of a file, without its blocks."""
    return {
        "kept_iou_mean": overlap.mean,
        "kept_iou_minimum": overlap.minimum,
        "kept_iou_mean_by_chance": overlap.chance,
        "kept_iou_overall": overlap.overall,
        "kept_iou_overall_by_chance": overlap.overall_chance,
        "kappa": overlap.kappa,
    }


def _with_masks(cells: Iterable[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.mask_file.is_file()]
