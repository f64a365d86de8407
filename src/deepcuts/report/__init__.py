"""A grid's results as one page, with its figures and tables as files."""

from __future__ import annotations

from deepcuts.report.build import write_report

__all__ = ["write_report"]
