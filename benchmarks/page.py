"""The page on performance, written from what the benchmarks wrote.

Example:  python -m benchmarks.page benchmarks/results/cpu.json docs/performance.md

Numbers of a GPU are taken from ``gpu.json`` beside it, if that is there, and remarks on goals that are missed
from ``remarks.md``. The picture of growth is copied.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.goals import Goal, goals
from benchmarks.memory import SCORED
from benchmarks.prose import OPENING, PARTS

NOT_MEASURED = "not measured"


def main(
    measured: Annotated[Path, typer.Argument(help="JSON that `python -m benchmarks` wrote.")],
    page: Annotated[Path, typer.Argument(help="Markdown file to write.")],
) -> None:
    """Write the page."""
    cpu = json.loads(measured.read_text(encoding="utf-8"))
    beside = measured.with_name("gpu.json")
    gpu = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() and beside != measured else None
    remarks = measured.with_name("remarks.md")
    picture = measured.with_name(f"{measured.stem}-growth.svg")
    page.parent.mkdir(parents=True, exist_ok=True)
    if picture.is_file():
        target = page.with_suffix("") / "growth.svg"
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(picture, target)
    place = f"{page.stem}/growth.svg" if picture.is_file() else None
    said = remarks.read_text(encoding="utf-8").strip() if remarks.is_file() else ""
    page.write_text(render(cpu, gpu, place, said), encoding="utf-8")


def render(
    cpu: Mapping[str, Any],
    gpu: Mapping[str, Any] | None = None,
    picture: str | None = None,
    remarks: str = "",
) -> str:
    """The page as Markdown.

    Args:
        cpu: What was measured on a processor; a part that is missing is said to be.
        gpu: The same on a GPU.
        picture: Where the picture of growth is, seen from the page.
        remarks: What is to be said of the goals: why one is missed.
    """
    makers = {
        "scoring": _scoring,
        "agreement": _agreement,
        "memory": _memory,
        "cutting": _cutting,
        "training": _training,
        "job": _job,
        "growth": _growth,
    }
    parts = [OPENING, _machine(cpu, gpu), _goals(cpu, gpu), *([remarks] if remarks else [])]
    for name, make in makers.items():
        title, why = PARTS[name]
        text = make(cpu[name]) if name in cpu else f"On a processor: {NOT_MEASURED}."
        if gpu is not None and name in gpu:
            text += f"\n\nOn the GPU:\n\n{make(gpu[name])}"
        parts.append(f"## {title}\n\n{why}\n\n{text}")
        if name == "growth" and picture:
            parts.append(f"![Scoring time against layers and batches, memory against batches]({picture})")
    parts.append(_how_to_run(cpu))
    return "\n\n".join(parts) + "\n"


def _machine(cpu: Mapping[str, Any], gpu: Mapping[str, Any] | None) -> str:
    def described(found: Mapping[str, Any]) -> str:
        made = found["environment"]
        packages = ", ".join(
            f"{name} {made['packages'][name]}" for name in ("torch", "transformers", "numpy")
        )
        commit = f", commit {made['commit'][:10]}" if made.get("commit") else ""
        changed = " with changes" if made.get("dirty") else ""
        return (
            f"{made['processor'] or made['platform']}, {made['threads']} threads; {made['platform']}; "
            f"Python {made['python']}, {packages}; deepcuts {made['deepcuts']}{commit}{changed}."
        )

    if gpu is None:
        other = f"GPU: {NOT_MEASURED}, for none was at hand. `make bench-gpu` is ready for one."
    else:
        other = f"GPU: {gpu['environment']['device']}. {described(gpu)}"
    return f"## The machine\n\nProcessor: {described(cpu)}\n\n{other}"


def _goals(cpu: Mapping[str, Any], gpu: Mapping[str, Any] | None) -> str:
    on_cpu = goals(cpu, False)
    on_gpu = {goal.what: goal for goal in goals(gpu, True)} if gpu is not None else {}
    rows = [
        [goal.what, _limit(goal), _value(goal), _met(goal), _gpu_cell(on_gpu.pop(goal.what, None), goal)]
        for goal in on_cpu
    ]
    rows += [[goal.what, _limit(goal), NOT_MEASURED, "–", _gpu_cell(goal, goal)] for goal in on_gpu.values()]
    missed = [goal.what for goal in on_cpu if not goal.is_met]
    met = f"{len(on_cpu) - len(missed)} of {len(on_cpu)} goals are met on the processor."
    if missed:
        met += f" Not met: {'; '.join(missed)}."
    return f"## Goals\n\n{met}\n\n" + _table(["", "goal", "processor", "", "GPU"], rows)


def _gpu_cell(found: Goal | None, shown: Goal) -> str:
    if found is None:
        return NOT_MEASURED
    limit = f", goal {_limit(found)}" if found.limit != shown.limit else ""
    return f"{_value(found)}{limit}: {_met(found)}"


def _limit(goal: Goal) -> str:
    return f"{'≥' if goal.at_least else '≤'} {goal.limit:g}{f' {goal.unit}' if goal.unit else ''}"


def _value(goal: Goal) -> str:
    digits = 1 if goal.at_least else {"": 3, "s": 2}.get(goal.unit, 1)
    return f"{goal.value:.{digits}f}{f' {goal.unit}' if goal.unit else ''}"


def _met(goal: Goal) -> str:
    return "met" if goal.is_met else "**not met**"


def _ratios(found: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for column in found.values() for name in column))
    rows = [[name, *(_timed(column.get(name)) for column in found.values())] for name in names]
    return _table(["", *found], rows)


def _scoring(found: Mapping[str, Any]) -> str:
    bare = _table(
        ["", *found],
        [["a bare pass", *(f"{_seconds(_bare(column))}" for column in found.values())]],
    )
    return f"{_ratios(found)}\n\n{bare}"


def _bare(column: Mapping[str, Any]) -> float:
    """Seconds of the pass that a column's ratios are to, to within their spread."""
    one = column.get("GradCAMShift") or next(iter(column.values()))
    return float(one["seconds"] / one["ratio"])


def _agreement(found: Mapping[str, Any]) -> str:
    tables = []
    for model, one in found.items():
        ways = [name for name, value in one.items() if isinstance(value, Mapping)]
        strategies = next((list(one[way]["kept_iou"]) for way in ways if "kept_iou" in one[way]), [])
        rows = []
        for way in ways:
            if "refused" in one[way]:
                rows.append([way, one[way]["refused"], *["–"] * (1 + len(strategies))])
                continue
            overlaps = one[way].get("kept_iou", {})
            cells = [f"{overlaps[name]:.4f}" if name in overlaps else "–" for name in strategies]
            rows.append([way, _timed(one[way]), _seconds(one[way]["first_batch"]), *cells])
        head = ["", "time", "first batch", *(f"overlap, {name}" for name in strategies)]
        tables.append(
            f"{model}; independent masks would overlap by {one['chance']:.3f}:\n\n{_table(head, rows)}"
        )
    return "\n\n".join(tables)


def _memory(found: Mapping[str, Any]) -> str:
    against = {"selection": "the scores", "training": "dense training"}
    rows = []
    for part in ("scoring", *against):
        for case, one in found[part].items():
            base = f"a {SCORED[case]}" if case in SCORED else against.get(part)
            is_base = base is None or case == "dense"
            beyond = "–" if is_base else f"{one['per_weight']:.1f} beyond {base}"
            rows.append([f"{part}: {case}", f"{one['bytes'] / 2**20:,.0f}", beyond])
    return f"{found['shape']}:\n\n" + _table(["", "MiB", "bytes a prunable weight"], rows)


def _cutting(found: Mapping[str, Any]) -> str:
    (cases,) = found.values()
    rows = [[name, _seconds(one["seconds"]), _timed(one)] for name, one in cases.items()]
    return _table(["", "time", "ratio"], rows)


def _training(found: Mapping[str, Any]) -> str:
    return _ratios(found)


def _job(found: Mapping[str, Any]) -> str:
    spent = ", ".join(f"{name} {found[name]:.1f} s" for name in ("forward", "backward", "step"))
    start = found["start"]
    return (
        f"{found['what']}: {found['total']:.1f} s, of which {spent}; {100 * found['other_share']:.1f} % was "
        f"none of these.\n\nStarting: `deepcuts --help` {start['help']:.2f} s; the first line of "
        f"`deepcuts prune` after {start['first line']:.2f} s, model and data loaded after "
        f"{start['loaded']:.2f} s."
    )


def _growth(found: Mapping[str, Any]) -> str:
    layers = _table(
        ["layers", *(str(point["layers"]) for point in found["by_layers"])],
        [["seconds a batch", *(f"{point['seconds_a_batch']:.4f}" for point in found["by_layers"])]],
    )
    batches = _table(
        ["batches", *(f"{point['batches']:,}" for point in found["by_batches"])],
        [
            ["seconds", *(f"{point['seconds']:.2f}" for point in found["by_batches"])],
            ["peak, MiB", *(f"{point['peak_bytes'] / 2**20:,.0f}" for point in found["by_batches"])],
        ],
    )
    two = found["parallel"]
    parallel = (
        f"`torchrun` with two processes: {two['batches']:.0f} batches of MiniLM's shape take "
        f"{two['two_processes']:.2f} s, beside {two['one_process']:.2f} s with one (a ratio of "
        f"{two['ratio']:.2f}), with one thread a process. The processes share the batches, and add their "
        "sums once, at the end."
    )
    return f"{layers}\n\n{batches}\n\n{parallel}"


def _how_to_run(cpu: Mapping[str, Any]) -> str:
    seconds: Mapping[str, float] = cpu.get("seconds", {})
    spent = "; ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    took = f" This run took {sum(seconds.values()) / 60:.1f} minutes ({spent})." if seconds else ""
    return (
        "## How to run it\n\n"
        f"`make bench` measures on the processor, `make bench-gpu` on a GPU.{took} `python -m benchmarks "
        "--help` names the parts, of which `--only` runs one. They write `benchmarks/results/cpu.json` and "
        "`gpu.json`; then `python -m benchmarks.page benchmarks/results/cpu.json docs/performance.md` writes "
        "this page. How fast a pruned model runs is another question: see `benchmarks/runtime.py`."
    )


def _timed(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "–"
    if one["turns"] == 1:
        return f"{one['ratio']:.2f} (once)"
    return f"{one['ratio']:.2f} ({one['low']:.2f}–{one['high']:.2f})"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    typer.run(main)
