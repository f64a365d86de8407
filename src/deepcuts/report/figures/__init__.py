"""Figures: curves, matrices, how they look, and what becomes of them. The one importer of matplotlib."""

from __future__ import annotations

from deepcuts.report.figures.curves import Level, Series, draw_curves
from deepcuts.report.figures.gallery import DENSITY, OVERLAP, Drawing, Gallery
from deepcuts.report.figures.matrix import draw_matrix
from deepcuts.report.figures.style import style_of

__all__ = [
    "DENSITY",
    "OVERLAP",
    "Drawing",
    "Gallery",
    "Level",
    "Series",
    "draw_curves",
    "draw_matrix",
    "style_of",
]
