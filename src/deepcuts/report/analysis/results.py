"""The numbers of one study as plain rows: performance, Pareto, collapsed runs, costs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from deepcuts.report.analysis.differences import Difference, Replicates, difference
from deepcuts.report.analysis.studies import Row, Study, missing_of
from deepcuts.report.cells import PHASES, Cell, Phase, strategy_order
from deepcuts.tasks import why_constant

#: Shares of the dense model's performance, above the baseline, whose smallest density is looked for.
LEVELS = (0.80, 0.95, 0.99)


def level_of(cells: Sequence[Cell], part: str, measure: str) -> float:
    """Mean over cells of a measure of the dense model, or of the baseline; each dense model counts once."""
    values = {cell.seed: cell.found[part][measure] for cell in cells}
    return float(np.mean(list(values.values())))


def performance_rows(
    study: Study, phase: Phase, replicates: Replicates, references: Sequence[str]
) -> list[Row]:
    """Every strategy and density of a study: mean and deviation over seeds, and differences to references.

    Returns:
        Rows of ``strategy``, ``density``, ``compression``, ``seeds``, ``values`` (measure → seed → value),
        ``mean`` and ``deviation`` (measure → number; the deviation needs two seeds), ``kept`` (share of the
        dense model's primary measure above the baseline, or None), ``differences`` (reference → measure →
        `Difference`, or None), ``absent`` (status → seeds of cells that are not done) and ``plateau`` (seeds
        whose model is then as good as constant).
    """
    rows: list[Row] = []
    for strategy in study.strategies:
        for density in study.densities:
            cells = study.at(strategy, density)
            if not cells:
                continue
            values = {
                name: {cell.seed: float(cell.found[phase][name]) for cell in cells} for name in study.measures
            }
            budgets = {cell.budget for cell in cells}
            planned = [cell for cell in study.usual if cell.strategy == strategy and cell.budget in budgets]
            rows.append(
                {
                    "strategy": strategy,
                    "density": density,
                    "compression": float(cells[0].found["kept"]["compression"]),
                    "seeds": len(values[study.primary]),
                    "values": values,
                    "mean": {name: statistics.fmean(found.values()) for name, found in values.items()},
                    "deviation": {
                        name: statistics.stdev(found.values()) if len(found) > 1 else None
                        for name, found in values.items()
                    },
                    "kept": mean_kept(cells, phase),
                    "differences": {
                        reference: {
                            name: difference(cells, study.at(reference, density), phase, name, replicates)
                            for name in study.measures
                        }
                        for reference in references
                        if reference != strategy
                    },
                    "absent": missing_of(planned),
                    "plateau": [cell.seed for cell in cells if is_collapsed(cell, phase)],
                }
            )
    return rows


def absent_rows(study: Study) -> list[Row]:
    """Strategies and budgets of which not a single cell is done: ``strategy``, ``budget``, ``absent``."""
    done = {(cell.strategy, cell.budget) for cell in study.done}
    names = {(cell.strategy, cell.budget): None for cell in study.usual}
    return [
        {
            "strategy": strategy,
            "budget": budget,
            "absent": missing_of([c for c in study.usual if (c.strategy, c.budget) == (strategy, budget)]),
        }
        for strategy, budget in sorted(names, key=lambda name: (strategy_order(name[0]), name[1]))
        if (strategy, budget) not in done
    ]


def kept_share(cell: Cell, phase: Phase) -> float | None:
    """Share of the dense model's primary measure above the baseline that is kept; 1 is all of it.

    None where the dense model is no better than the baseline.
    """
    name = cell.found["task"]["primary"]
    base, dense, value = (cell.found[part][name] for part in ("baseline", "dense", phase))
    return None if dense - base <= 0 else float((value - base) / (dense - base))


def mean_kept(cells: Sequence[Cell], phase: Phase) -> float | None:
    """Mean of `kept_share` over cells; None where one has none."""
    shares = [kept_share(cell, phase) for cell in cells]
    known = [share for share in shares if share is not None]
    return statistics.fmean(known) if known and len(known) == len(shares) else None


def pareto_rows(study: Study) -> list[Row]:
    """The smallest density measured whose mean over seeds keeps each of `LEVELS`, after retraining.

    Returns:
        Rows of ``strategy`` and ``smallest`` (level → density, None where no density reaches it).
    """
    rows: list[Row] = []
    for strategy in study.strategies:
        kept = {density: mean_kept(study.at(strategy, density), "retrained") for density in study.densities}
        smallest = {
            level: min((density for density, share in kept.items() if share is not None and share >= level),
                       default=None)
            for level in LEVELS
        }  # fmt: skip
        rows.append({"strategy": strategy, "smallest": smallest})
    return rows


def is_collapsed(cell: Cell, phase: Phase = "retrained") -> bool:
    """Whether a pruned or retrained model is as good as constant, see `deepcuts.tasks.why_constant`.

    Without predictions only its measures can be looked at.
    """
    found, task = cell.found, cell.found["task"]
    said = cell.predictions() or {}
    why = why_constant(
        task["kind"],
        task["primary"],
        found[phase],
        found["baseline"],
        task["dev_rows"],
        said.get(phase),
        said.get("targets"),
    )
    return why is not None


def is_constant_on_test(cell: Cell) -> bool:
    """Whether a retrained model was found no better than a constant on the test rows."""
    return bool((cell.found["test"].get("constant") or {}).get("retrained"))


def collapse_rows(study: Study) -> list[Row]:
    """How many runs collapsed: ``strategy`` and ``collapsed`` (density → (collapsed, all))."""
    return [
        {
            "strategy": strategy,
            "collapsed": {
                density: (sum(map(is_collapsed, cells)), len(cells))
                for density in study.densities
                if (cells := study.at(strategy, density))
            },
        }
        for strategy in study.strategies
    ]


def cost_rows(study: Study) -> list[Row]:
    """What each strategy cost, means over its cells.

    Returns:
        Rows of ``strategy``, ``batches``, ``passes`` (forward and backward, for scoring), ``score_seconds``
        (of the sweep), ``shared_by`` (scores that were made in the same sweep), ``retrain_seconds`` and
        ``finetune_seconds``.
    """
    rows: list[Row] = []
    for strategy in study.strategies:
        cells = [cell for cell in study.done if cell.strategy == strategy]
        seconds = [cell.found["seconds"] for cell in cells]
        rows.append(
            {
                "strategy": strategy,
                "batches": cells[0].found["scoring"]["batches"],
                "passes": cells[0].found["scoring"]["passes"],
                "score_seconds": statistics.fmean(one["score"] for one in seconds),
                "shared_by": statistics.fmean(one["score_shared_by"] for one in seconds),
                "retrain_seconds": statistics.fmean(one["retrain"] for one in seconds),
                "finetune_seconds": statistics.fmean(one["finetune"] for one in seconds),
            }
        )
    return rows


def performance_table(study: Study, rows: dict[Phase, list[Row]]) -> list[Row]:
    """`performance_rows` of both phases flattened for a file: one row a strategy, density, phase, measure."""
    flat: list[Row] = []
    for phase, of_phase in rows.items():
        for row in of_phase:
            for measure in study.measures:
                values = row["values"][measure]
                flat.append(
                    {
                        "model": study.model,
                        "task": study.task,
                        "setting": study.setting,
                        "strategy": row["strategy"],
                        "density": row["density"],
                        "compression": row["compression"],
                        "phase": PHASES[phase],
                        "measure": measure,
                        "seeds": " ".join(map(str, values)),
                        "values": " ".join(f"{value:.6f}" for value in values.values()),
                        "mean": row["mean"][measure],
                        "deviation": row["deviation"][measure],
                        **_flat_differences(row["differences"], measure),
                    }
                )
    return flat


def _flat_differences(differences: dict[str, dict[str, Difference | None]], measure: str) -> Row:
    flat: Row = {}
    for reference, by_measure in differences.items():
        found = by_measure[measure]
        interval = None if found is None else found.interval
        flat[f"minus {reference}"] = None if found is None else found.value
        for part in ("low", "high"):
            name = f"minus {reference}, {part} end of 95% interval"
            flat[name] = None if interval is None else getattr(interval, part)
        flat[f"minus {reference}, interval covers"] = None if interval is None else interval.covers
    return flat
