"""What the cells of a grid, or masks and scores, say: a page with figures and tables, and its numbers.

`write_report` makes the page. `analysis` holds the numbers, `figures` draws them, `sections` has a file for
each section of the page, and `page` makes HTML of sections. Nothing heavy is loaded before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.report.build import write_report as write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    if name != "write_report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deepcuts.report.build import write_report

    return write_report
