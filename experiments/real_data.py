"""The runs behind the table in the README: MiniLM-L6 on one real task, five strategies, one seed.

The dense model is fine-tuned once and one sweep scores it for all strategies; then each strategy is cut,
rewound and retrained in a run folder of its own. A run that is finished is not done again, and one that
was interrupted goes on. Each is ``deepcuts prune`` with the options below and ``--shared``.

Example:  python experiments/real_data.py --data GLUE --output runs --task stsb --density 0.147 --seed 0
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepcuts.cli.common import reporter
from deepcuts.config import DataConfig, PruneConfig
from deepcuts.pipeline import prune_each
from deepcuts.quiet import quiet_libraries

STRATEGIES = ["LayerGradCAMShift", "LayerMagWeight", "LayerSmoothGrad", "LayerMagGrad", "Random"]
#: Epochs and rate of the first fine-tuning; retraining is alike for both.
SCHEDULES = {"stsb": (2, 5e-5), "cola": (3, 1e-4)}


def main(
    data: Annotated[Path, typer.Option()],
    output: Annotated[Path, typer.Option()],
    task: Annotated[str, typer.Option()],
    density: Annotated[float, typer.Option()],
    seed: Annotated[int, typer.Option()],
) -> None:
    """Run all strategies of one task, density and seed."""
    quiet_libraries()
    source = DataConfig(task=task, data=str(data))
    loaded = source.load()
    epochs, rate = SCHEDULES[task]
    configs = {
        output / f"{task}-{density:g}-{name}-{seed}": PruneConfig.make(
            loaded.task,
            model="minilm",
            data=source,
            strategy=name,
            density=density,
            seed=seed,
            finetune_epochs=epochs,
            retrain_epochs=3,
            learning_rate=rate,
            retrain_learning_rate=1e-4,
            batch_size=32,
            decay="linear",
            group_by_length=True,
            precision="bf16",
            score_batches=200,
            smooth_batches=20,
        )
        for name in STRATEGIES
    }
    prune_each(configs, loaded, output / "shared", reporter())


if __name__ == "__main__":
    typer.run(main)
