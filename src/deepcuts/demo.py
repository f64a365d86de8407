"""The demo: four strategies on one small real task, sharing the dense model and one sweep of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepcuts.config import DataConfig, PruneConfig
from deepcuts.pipeline import prune_each
from deepcuts.progress import Reporter

#: Strategy → how the table calls it.
STRATEGIES = {
    "LayerGradCAMShift": "Cam-Cut",
    "LayerSmoothGrad": "Smooth-Cut",
    "LayerMagWeight": "magnitude",
    "Random": "random (control)",
}


def run_demo(output: Path, *, seed: int, density: float, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Fine-tune MiniLM on minimal pairs, score it once, and cut and retrain it by each strategy.

    Args:
        output: A folder for the runs, one a strategy, and for what they share.
        seed: Seed of everything random.
        density: Share of prunable weights to keep.
        reporter: Where progress is shown.

    Returns:
        Strategy → result, as in its ``result.json``.

    Raises:
        ModelError: The extra ``demo`` is not installed.
        InputError: `density` is not in (0, 1].
    """
    source = DataConfig(task="minimal-pairs")
    data = source.load()
    configs = {
        output / name: PruneConfig.make(
            data.task,
            model="minilm",
            data=source,
            strategy=name,
            density=density,
            seed=seed,
            retrain_learning_rate=2e-4,
            decay="linear",
            warmup=0.1,
            precision="bf16",
            max_length=32,
            score_batches=40,
            smooth_batches=16,
        )
        for name in STRATEGIES
    }
    results = prune_each(configs, data, output / "shared", reporter)
    return {folder.name: result for folder, result in results.items()}
