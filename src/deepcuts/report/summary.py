"""What a study found, in plain sentences that are made from its numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deepcuts.report.analysis.differences import Difference, Replicates, difference
from deepcuts.report.analysis.intervals import corrected_level
from deepcuts.report.analysis.results import collapse_rows, level_of, mean_kept
from deepcuts.report.analysis.studies import Study
from deepcuts.report.cells import is_control, seeds_of
from deepcuts.report.words import interval_text, number
from deepcuts.tasks import described

#: Of a difference to the best: in noise, or what its interval covers → what is said.
_VERDICTS: dict[str | None, str] = {
    "same": "Within noise of it",
    "seeds and dev rows": "Different from it beyond noise",
    "seeds": "Different from it beyond the noise of seeds (dev rows were not looked at)",
    "dev rows": "Different from it beyond the choice of dev rows (too few seeds to say more)",
    None: "No interval for",
}


def summarise(study: Study, replicates: Replicates) -> list[str]:
    """Sentences about one study after retraining: levels first, then a density each, then collapsed runs."""
    if not study.done:
        return ["No cell with the usual options is done yet."]
    name = described(study.primary).title.partition(",")[0]
    dense, base = (level_of(study.done, part, study.primary) for part in ("dense", "baseline"))
    found = [
        f"The dense model reaches a {name} of {number(dense)} on dev, a constant prediction {number(base)}"
        + (": it is no better than a constant, so nothing can be said about cuts." if dense <= base else ".")
    ]
    if any(cell.found["task"].get("select_on", "dev") == "dev" for cell in study.done):
        found.append("Epochs were chosen on the dev rows that are measured here, which flatters all runs.")
    found += [_at_density(study, density, replicates) for density in reversed(study.densities)]
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


def _at_density(study: Study, density: float, replicates: Replicates) -> str:
    sign = -1 if described(study.primary).lower_is_better else 1
    means = {
        name: sum(cell.found["retrained"][study.primary] for cell in cells) / len(cells)
        for name in study.strategies
        if (cells := study.at(name, density))
    }
    ordinary = [name for name in means if not is_control(name)] or list(means)
    best = max(ordinary, key=lambda name: sign * means[name])
    cells = study.at(best, density)
    kept = mean_kept(cells, "retrained")
    share = "" if kept is None else f", {kept:.0%} of what the dense model has above a constant"
    seeds = _seeds(seeds_of(cells))
    text = f"Density {density:.3g}: {best} has the best mean, {number(means[best])} ({seeds}){share}."
    if len(means) == 1:
        return text + " Nothing else was run there."
    level = corrected_level(comparisons(len(ordinary), len(means) - len(ordinary)))
    if len(ordinary) > 1:
        text += f" It was chosen after the fact, as the best of {len(ordinary)}."
    text += f" Intervals are {_percent(level)} ones."
    found = {
        name: difference(study.at(name, density), cells, "retrained", study.primary, replicates, level)
        for name in sorted(means, key=lambda name: -sign * means[name])
        if name != best
    }
    return text + _verdicts(found)


def comparisons(candidates: int, controls: int) -> int:
    """Pairs that could have been compared where the best of the candidates is compared with all others."""
    return candidates * (candidates - 1) // 2 + candidates * controls


def _verdicts(found: Mapping[str, Difference | None]) -> str:
    """Strategies by what their difference to the best says, each with its interval where that is not 0."""
    groups: dict[str, list[str]] = {title: [] for title in _VERDICTS.values()}
    for name, one in found.items():
        label = f"{name} (control)" if is_control(name) else name
        key = None if one is None or one.within_noise is None else "same" if one.within_noise else one.covers
        if one is not None and key not in (None, "same"):
            label += f" {number(one.value, '+.3f')} {interval_text(one)}"
        groups[_VERDICTS[key]].append(label)
    return "".join(f" {title}: {'; '.join(names)}." for title, names in groups.items() if names)


def _seeds(seeds: Sequence[int]) -> str:
    return "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"


def _percent(level: float) -> str:
    """A level that is near to 1, such as ``"98.33%"``."""
    digits = max(0, 1 - math.floor(math.log10(100 * (1 - level))))
    return f"{100 * level:.{digits}f}%"
