"""``deepcuts demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the runs go.")] = Path("demo-run"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    density: Annotated[float, typer.Option(help="Share of prunable weights to keep.")] = 0.25,
) -> None:
    """Prune a real pretrained MiniLM on English minimal pairs by four strategies; needs no network.

    The model comes with the extra 'demo'. The dense fine-tune and the scores are shared by all four.

    Example:  deepcuts demo
    """
    from deepcuts.cli.common import measure_cells, print_table, reporter
    from deepcuts.quiet import quiet_libraries

    say = reporter()
    quiet_libraries()
    from deepcuts.demo import STRATEGIES, run_demo

    results = run_demo(output, seed=seed, density=density, reporter=say)
    first = next(iter(results.values()))
    names = ["matthews", "accuracy"]
    blank = ["–"] * len(names)
    trained = first["seconds"]["finetune"]
    rows = [
        ["constant", *blank, *measure_cells(names, first["baseline"]), "–", "–"],
        [
            "dense",
            *blank,
            *measure_cells(names, first["dense"]),
            f"{first['model']['prunable']:,}",
            f"{trained:.0f} s",
        ],
    ]
    for name, result in results.items():
        rows.append(
            [
                STRATEGIES[name],
                *measure_cells(names, result["pruned"]),
                *measure_cells(names, result["retrained"]),
                f"{result['kept']['weights']:,}",
                f"{result['seconds']['retrain']:.0f} s",
            ]
        )
    columns = [
        "pruned: " + names[0],
        names[1],
        "retrained: " + names[0],
        names[1],
        "kept weights",
        "training",
    ]
    print_table(
        f"MiniLM-L6 on minimal pairs, density {density:g}, seed {seed}",
        ["strategy", *columns],
        rows,
        f"Matthews correlation and accuracy on {first['task']['dev_rows']:,} dev sentences, before and after "
        f"retraining.\nScoring took {first['seconds']['score']:.0f} s for all strategies that need data. "
        f"One seed: small differences are noise.\nResults: {output}",
    )
