"""A program of one or several processes: scores by a Trainer's loss, kept in the folder that is named."""

from __future__ import annotations

import sys
from pathlib import Path

from trainers import classifier

import deepcuts

folder = Path(sys.argv[1])
deepcuts.prune_trainer(
    classifier(folder), strategy="LayerMagGrad", density=0.3, start="finetuned", recipe="none",
    repair_batches=0, keep_scores=True, output=folder / "run",
)  # fmt: skip
