"""The numbers of a report, without figures and words.

How alike masks and scores are and where kept weights are (pure functions on masks, scores and names, which
`deepcuts compare` uses too); and what studies of cells found: performance, differences with intervals, costs.
"""

from __future__ import annotations

from deepcuts.architectures.places import Place, place_of
from deepcuts.report.analysis.comparison import density_table, overlap_table, shared_table
from deepcuts.report.analysis.overlap import Counts, count_overlap, count_shared, grouped, head_overlap
from deepcuts.report.analysis.ranks import rank_agreement

__all__ = [
    "Counts",
    "Place",
    "count_overlap",
    "count_shared",
    "density_table",
    "grouped",
    "head_overlap",
    "overlap_table",
    "place_of",
    "rank_agreement",
    "shared_table",
]
