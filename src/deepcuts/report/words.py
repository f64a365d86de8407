"""Numbers and measures in words, the same in sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepcuts.report.analysis.differences import Difference
from deepcuts.tasks import described


def number(value: float, form: str = ".3f") -> str:
    """A number with a real minus sign."""
    return format(value, form).replace("-", "\N{MINUS SIGN}")


def interval_text(found: Difference) -> str:
    """The interval of a difference, such as ``"[−0.012, +0.034] over seeds and dev rows"``."""
    if found.interval is None:
        return "no interval"
    low, high, covers = found.interval
    only = "" if covers == "seeds and dev rows" else " only"
    return f"[{number(low, '+.3f')},\N{NO-BREAK SPACE}{number(high, '+.3f')}] over {covers}{only}"


def measure_name(measure: str) -> str:
    """A measure's full name without its range."""
    return described(measure).title.partition(",")[0]


def measure_title(measure: str) -> str:
    """The same, to begin a title with."""
    name = measure_name(measure)
    return name[0].upper() + name[1:]


def axis_title(measure: str) -> str:
    """A measure's full name, its range or unit on a line of its own."""
    return described(measure).title.replace(", ", "\n", 1)


def better(measure: str) -> str:
    """Which direction is good."""
    return "lower" if described(measure).lower_is_better else "higher"


def measure_note(measures: Sequence[str]) -> str:
    """The measures in full."""
    return "; ".join(described(name).title for name in measures)


def absent_text(absent: Mapping[str, Sequence[int]]) -> str:
    """Which seeds are missing or failed, such as ``"missing: seed 1"``."""
    return "; ".join(f"{status}: seed {', '.join(map(str, seeds))}" for status, seeds in absent.items())
