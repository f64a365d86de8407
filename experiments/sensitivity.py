"""How masks move with λ and with the noise, from the scores in a grid's store; nothing is trained.

For the dense models of which a store holds scores with several λ or noises: intersection over union of the
kept weights, with its chance level, and Cohen's kappa, for each pair of masks.

Example:  python experiments/sensitivity.py runs/minilm --density 0.147 --density 0.0865
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepcuts import Budget, Scores, ScoringOptions, select
from deepcuts.common.files import read_json
from deepcuts.masks.bits import PackedMasks
from deepcuts.report.analysis import count_overlap, grouped


def main(
    store: Annotated[Path, typer.Argument(help="A grid's store.")],
    density: Annotated[list[float], typer.Option(help="Shares of weights to keep.")],
) -> None:
    """Print a table in CSV."""
    by_dense: dict[str, dict[str, Path]] = {}
    for path in sorted(store.glob("score-*/stage.json")):
        identity = read_json(path.parent / "identity.json")
        # Options at their default may be left out of an identity.
        options = {**ScoringOptions().as_dict(), **identity["options"]}
        name = identity["score"]
        if "Shift" in name:
            name += f", λ {options['shift']:g}"
        if "Smooth" in name:
            name += f", noise {options['noise_std']:g}"
        if identity["score"] == "Random":
            continue
        by_dense.setdefault(identity["dense"], {})[name] = path.parent / "scores.safetensors"
    out = csv.writer(sys.stdout)
    out.writerow(["dense model", "density", "scores", "beside", "IoU of kept", "chance", "kappa"])
    for dense, paths in by_dense.items():
        if not any("λ 100" in name or "noise 0.001" in name for name in paths):
            continue
        scores = {name: Scores.load(path) for name, path in paths.items()}
        for share in density:
            masks = {name: _packed(one, share) for name, one in scores.items()}
            for name in sorted(masks):
                for beside in sorted(masks):
                    if name != beside and ("noise" in name or "CAM" in name):
                        found = grouped(count_overlap(masks[name], masks[beside]), lambda _: "all")["all"]
                        row = [found.kept_iou, found.kept_chance, found.kappa]
                        out.writerow([dense, share, name, beside, *(f"{value:.4f}" for value in row)])


def _packed(scores: Scores, density: float) -> PackedMasks:
    return select(scores, Budget.from_density(density)).packed()


if __name__ == "__main__":
    typer.run(main)
