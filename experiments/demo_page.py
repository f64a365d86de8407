"""What the demo finds over seeds and other arithmetic: docs/results/demo.md, its strip plot and its records.

Example:
  deepcuts grid experiments/demo.yaml --threads 1
  deepcuts grid experiments/demo.yaml --threads 2 --store runs/demo-two
  python experiments/demo_page.py "1 thread=runs/demo" "2 threads=runs/demo-two" -o docs/results
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.common.files import write_atomically
from deepcuts.demo.run import ROWS
from deepcuts.runs.grid.records import read_cells

MEASURE = "matthews"
COLOURS = {"bf16": "#2a6f97", "fp32": "#c1541c"}
MARKERS = ("o", "^", "s", "D")

TEMPLATE = """\
# The demo on many seeds, and with other arithmetic

**Of {count} runs of Cam-Cut and Smooth-Cut none ends below {least:.0%} of its dense model** (the lowest:
{lowest}). Beside magnitude with the same seed and
arithmetic they are ahead in {ahead} of {pairs} pairs.

![Every run is a dot, the bar is the median](demo/strip.svg)

{summary}

{about}

**The paper's rewinding** is the last row of the demo: back to the *pretrained* values, all else equal.
Training then begins on a plateau, no better than a constant, and whether a run leaves it within so few
epochs is decided by rounding. The row stays because it is the paper's way, and to show what a plateau
looks like. With more epochs such runs do learn: see [minilm.md](minilm.md).

## Every run

Matthews correlation after retraining. ᵖ: ended on a plateau, no better than a constant prediction.

{every}

Made by [`experiments/demo.yaml`](../../experiments/demo.yaml) and
[`experiments/demo_page.py`](../../experiments/demo_page.py). All measures, before and after retraining:
[`demo/runs.json`](demo/runs.json).
"""
PROSE = """\
MiniLM-L6 on the demo's generated minimal pairs: {train:,} sentences to train on, {dev:,} to measure on,
on which the best epoch is chosen too. {seeds} seeds, density {density:.2f}, retrained from the fine-tuned
values for {epochs} epochs at {rate:g}. Arithmetic: {arithmetic}. Threads and bf16 change the order and
the rounding of sums, as another machine does. Another seed is another head, order of rows, scoring
batches and noise, and another dense model."""


@dataclass(frozen=True)
class Run:
    """One retrained run: its row of the demo, its seed, its arithmetic, and what it found."""

    row: str
    seed: int
    threads: str
    precision: str
    result: dict[str, Any]

    @property
    def setting(self) -> str:
        """The arithmetic, for people."""
        return f"{self.precision}, {self.threads}"

    @property
    def retrained(self) -> float:
        """What it reached."""
        return float(self.result["retrained"][MEASURE])

    @property
    def dense(self) -> float:
        """What its own dense model reached."""
        return float(self.result["dense"][MEASURE])

    @property
    def share(self) -> float:
        """Of its own dense model's measure."""
        return self.retrained / self.dense


def main(
    stores: Annotated[list[str], typer.Argument(help="LABEL=STORE: threads for people, and a grid's store.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the page.")],
) -> None:
    """Write the page of the demo's finished runs; it says how many there are."""
    runs = [run for store in stores for run in read(*store.split("=", 1))]
    records = [
        {"row": run.row, "seed": run.seed, "threads": run.threads, "precision": run.precision}
        | {phase: run.result[phase] for phase in ("baseline", "dense", "pruned", "retrained")}
        | {"plateau": run.result.get("plateau"), "seconds": run.result["seconds"]}
        for run in runs
    ]
    lines = ",\n".join(json.dumps(record) for record in records)
    folder = output / "demo"
    _write(folder / "runs.json", f"[\n{lines}\n]\n")
    draw(runs, folder / "strip.svg")
    _write(output / "demo.md", page(runs))


def read(threads: str, store: str) -> list[Run]:
    """The finished cells of a store."""
    places = {(row.strategy, row.changes.get("rewind", "finetuned")): row.title for row in ROWS.values()}
    found = []
    for record in read_cells(Path(store), "demo"):
        if record.status != "done":
            continue
        config, result = record.config, record.result
        row = places[str(config["strategy"]), str(config["rewind"])]
        found.append(Run(row, int(config["seed"]), threads, str(config["precision"]), result))
    return found


def page(runs: Sequence[Run]) -> str:
    """The page: the answer, the plot, medians and ranges, then every run."""
    titles = [row.title for row in ROWS.values()]
    gradient, magnitude = titles[:2], titles[2]
    ours = [run for run in runs if run.row in gradient]
    seeds = sorted({run.seed for run in runs})
    first = runs[0].result
    lowest = min(ours, key=lambda run: run.share)
    others = [run for run in runs if run.row == magnitude]
    ahead = [
        (run, other)
        for run in ours
        for other in others
        if (run.seed, run.setting) == (other.seed, other.setting)
    ]
    behind = sum(run.retrained <= other.retrained for run, other in ahead)
    environments = sorted({run.setting for run in runs})
    retraining = first["retraining"]
    columns = ["", "runs", "Matthews, median", "least to greatest", "of its dense model, median", "least"]
    summary = [_summary(title, [run for run in runs if run.row == title]) for title in titles]
    about = PROSE.format(
        train=first["task"]["train_rows"],
        dev=first["task"]["dev_rows"],
        seeds=len(seeds),
        density=first["kept"]["density"],
        epochs=retraining["epochs"],
        rate=retraining["learning_rate"],
        arithmetic="; ".join(environments),
    )
    return TEMPLATE.format(
        count=len(ours),
        least=lowest.share,
        lowest=f"{lowest.row}, seed {lowest.seed}, {lowest.setting}: {lowest.retrained:.3f} of "
        f"{lowest.dense:.3f}",
        ahead=len(ahead) - behind,
        pairs=len(ahead),
        summary=table([*columns, "on a plateau"], [*summary, _dense(runs)]),
        about=about,
        every=every(runs, titles),
    )


def every(runs: Sequence[Run], titles: Sequence[str]) -> str:
    """A row a seed and setting, a column a row of the demo."""
    places = sorted({(run.setting, run.seed) for run in runs})
    rows = []
    for setting, seed in places:
        here = {run.row: run for run in runs if (run.setting, run.seed) == (setting, seed)}
        dense = {f"{run.dense:.3f}" for run in here.values()}
        cells = [_value(here[title]) if title in here else "–" for title in titles]
        rows.append([setting, str(seed), " / ".join(sorted(dense)), *cells])
    return table(["arithmetic", "seed", "dense", *titles], rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(runs: Sequence[Run], path: Path) -> None:
    """The strip plot: a dot a run; colour and mark say the arithmetic."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "deepcuts"
    from matplotlib import pyplot

    titles = ["dense", *(row.title for row in ROWS.values())]
    threads = sorted({run.threads for run in runs})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.6), layout="constrained")
    for place, title in enumerate(titles):
        value: Callable[[Run], float] = (
            (lambda run: run.dense) if title == "dense" else (lambda run: run.retrained)
        )
        mine = {(run.setting, run.seed): run for run in runs if title in ("dense", run.row)}.values()
        for run in mine:
            shift = (run.seed % 12 - 5.5) / 20
            axes.plot(
                value(run), place + shift, MARKERS[threads.index(run.threads)],
                color=COLOURS[run.precision], markersize=4.5, alpha=0.75, markeredgewidth=0,
            )  # fmt: skip
        if mine:
            median = statistics.median(map(value, mine))
            axes.plot([median, median], [place - 0.38, place + 0.38], color="#222222", linewidth=1.6)
    for setting in sorted({(run.precision, run.threads) for run in runs}):
        axes.plot(
            [], [], MARKERS[threads.index(setting[1])], color=COLOURS[setting[0]], label=", ".join(setting)
        )
    axes.set_yticks(range(len(titles)), titles)
    axes.invert_yaxis()
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.set_xlabel(
        "Matthews correlation on dev after retraining (dense: after fine-tuning); the bar is the median"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=8)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="svg", metadata={"Date": None}))


def _summary(title: str, runs: Sequence[Run]) -> list[str]:
    if not runs:
        return [title, "0", *["–"] * 5]
    values, shares = [run.retrained for run in runs], [run.share for run in runs]
    return [
        title,
        str(len(runs)),
        f"**{statistics.median(values):.3f}**",
        f"{min(values):.3f} to {max(values):.3f}",
        f"{statistics.median(shares):.0%}",
        f"{min(shares):.0%}",
        f"{sum(map(_stuck, runs))} of {len(runs)}",
    ]


def _dense(runs: Sequence[Run]) -> list[str]:
    values = list({(run.setting, run.seed): run.dense for run in runs}.values())
    spread = f"{min(values):.3f} to {max(values):.3f}"
    median = f"**{statistics.median(values):.3f}**"
    return ["dense, all weights", str(len(values)), median, spread, "100%", "100%", "–"]


def _stuck(run: Run) -> bool:
    """Whether it ended on a plateau; said by the result, or found again from its measures."""
    from deepcuts.tasks import why_constant

    about, result = run.result["task"], run.result
    found = why_constant(
        about["kind"], about["primary"], result["retrained"], result["baseline"], about["dev_rows"]
    )
    return found is not None


def _value(run: Run) -> str:
    return f"{run.retrained:.3f}{'ᵖ' if _stuck(run) else ''}"


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8") and None)


if __name__ == "__main__":
    typer.run(main)
