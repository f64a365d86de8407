"""The tables of ``deepcuts bench``."""

from __future__ import annotations

from deepcuts.cli.common import measure_cells, print_table, say
from deepcuts.deploy.bench.results import Bench, Result
from deepcuts.deploy.bench.shape import Shape


def print_bench(run: str, found: Bench) -> None:
    """Print what each way takes and says, its times at each shape, notes, and the advice."""
    ran = [one for one in found.results if one.skipped is None]
    names = list(found.results[0].measures or {})
    if found.primary is not None:
        names = [found.primary, *(name for name in names if name != found.primary)]
    weighed = ["GPU memory"] if found.device == "cuda" else ["memory", "model", "peak"]
    print_table(
        run,
        ["MB", "files", *weighed, "difference", *(names or ["measure"])],
        [_taken(one, found.device, names) for one in ran],
        f"Measured on: {_measured_on(found)}.\n"
        f"{_memory(found)} Difference: of outputs, from {found.results[0].title}, on the timed batches.\n"
        f"{_on_dev(found)}",
    )
    for shape in found.shapes:
        print_table(
            f"{shape.rows} x {shape.tokens} tokens",
            ["in turns", "median ms", "middle half", "texts a second", f"× {found.results[0].title}"],
            [_timed(one, shape, found.results[0]) for one in ran],
        )
    for one in found.results:
        told = [f"not run: {one.skipped}"] if one.skipped is not None else []
        told += [f"not to be used: {one.fault}"] if one.fault is not None else []
        for text in [*told, *one.notes]:
            say(f"{one.title}: {text}.")
    for note in found.notes:
        say(f"{note[:1].upper()}{note[1:]}.")
    say(found.advice)


def _measured_on(found: Bench) -> str:
    facts = found.facts
    if found.device == "cuda":
        return str(facts["device"])
    processor = facts["processor"] or "CPU"
    density = "not pruned" if facts["density"] is None else f"density {facts['density']:.4f}"
    return f"{processor}, {found.threads} threads, sparse kernel {facts['sparse_kernel']}, {density}"


def _memory(found: Bench) -> str:
    if found.device == "cuda":
        return "GPU memory: the most that PyTorch reserved in a process that does nothing else."
    return "Memory: of a process that does nothing else; model: the part that is not libraries."


def _on_dev(found: Bench) -> str:
    if found.task is None:
        return "Nothing was measured on dev: name a task (--task), or your own files (--train, --dev, …)."
    return (
        f"On dev: {found.task}, {found.rows:,} rows; a way whose {found.primary} is more than "
        f"{found.tolerance:g} below that of {found.results[0].title} is not recommended."
    )


def _taken(one: Result, device: str, names: list[str]) -> list[str]:
    memory = one.memory
    if device == "cuda":
        weighed = [_megabytes(memory.device if memory else None)]
    else:
        parts = (memory.resident, memory.model, memory.peak) if memory else (None, None, None)
        weighed = [_megabytes(part) for part in parts]
    difference = "–" if one.difference is None else f"{one.difference:.1e}"
    measures = measure_cells(names, one.measures or {}) if names else ["–"]
    return [one.title, _megabytes(one.bytes), *weighed, difference, *measures]


def _timed(one: Result, shape: Shape, reference: Result) -> list[str]:
    timing = one.timings[shape]
    ratio = reference.timings[shape].median / timing.median
    return [
        one.title + (" (wrong)" if one.fault is not None else ""),
        f"{1e3 * timing.median:.1f}",
        f"{1e3 * timing.low:.1f} to {1e3 * timing.high:.1f}",
        f"{shape.rows / timing.median:,.1f}",
        f"{ratio:.2f}",
    ]


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:,.1f}"
