"""What a study found, in plain sentences that are made from its numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from deepcuts.report.analysis.differences import Replicates, difference
from deepcuts.report.analysis.results import collapse_rows, level_of, mean_kept
from deepcuts.report.analysis.studies import Study
from deepcuts.report.cells import is_control, seeds_of
from deepcuts.report.words import interval_text, number
from deepcuts.tasks import described


def summarise(study: Study, replicates: Replicates, seed: int = 0) -> list[str]:
    """Sentences about one study after retraining: levels first, then a density each, then collapsed runs."""
    if not study.done:
        return ["No cell with the usual options is done yet."]
    name = described(study.primary).title.partition(",")[0]
    dense, base = (level_of(study.done, part, study.primary) for part in ("dense", "baseline"))
    found = [
        f"The dense model reaches a {name} of {number(dense)} on dev, a constant prediction {number(base)}"
        + (": it is no better than a constant, so nothing can be said about cuts." if dense <= base else ".")
    ]
    found += [_at_density(study, density, replicates, seed) for density in reversed(study.densities)]
    collapsed = {row["strategy"]: row["collapsed"].values() for row in collapse_rows(study)}
    counts = {name: sum(number for number, _ in each) for name, each in collapsed.items()}
    every = sum(total for each in collapsed.values() for _, total in each)
    if sum(counts.values()):
        named = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        found.append(
            f"Of {every} retrained runs, {sum(counts.values())} ended as good as constant ({named}): means "
            "over such runs hide two kinds of outcome, so look at the single ones. What to try: rewinding to "
            "the fine-tuned values, warm-up, more epochs, another seed."
        )
    else:
        found.append(f"Of {every} retrained runs, none ended as good as constant.")
    return found


def _at_density(study: Study, density: float, replicates: Replicates, seed: int) -> str:
    sign = -1 if described(study.primary).lower_is_better else 1
    means = {
        name: sum(cell.found["retrained"][study.primary] for cell in cells) / len(cells)
        for name in study.strategies
        if (cells := study.at(name, density))
    }
    ordinary = [name for name in means if not is_control(name)]
    best = max(ordinary or means, key=lambda name: sign * means[name])
    cells = study.at(best, density)
    kept = mean_kept(cells, "retrained")
    share = "" if kept is None else f", {kept:.0%} of what the dense model has above a constant"
    seeds = _seeds(seeds_of(cells))
    text = f"Density {density:.3g}: {best} has the best mean, {number(means[best])} ({seeds}){share}."
    same, lower, unknown = [], [], []
    for name in sorted(means, key=lambda name: -sign * means[name]):
        if name == best:
            continue
        label = f"{name} (control)" if is_control(name) else name
        found = difference(study.at(name, density), cells, "retrained", study.primary, replicates, seed)
        if found is None or found.within_noise is None:
            unknown.append(label)
        elif found.within_noise:
            same.append(label)
        else:
            lower.append(f"{label} {number(found.value, '+.3f')} {interval_text(found)}")
    if same:
        text += f" Within noise of it: {', '.join(same)}."
    if lower:
        text += f" Different from it beyond noise: {'; '.join(lower)}."
    if unknown:
        text += f" No interval for: {', '.join(unknown)}."
    if len(means) == 1:
        text += " Nothing else was run there."
    return text


def _seeds(seeds: Sequence[int]) -> str:
    return "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
