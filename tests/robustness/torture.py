"""The long run of what the tests beside this do in short: ``make torture``.

It prints a table of what was tried and what came out, and ends with status 1 if anything came out wrong. The
same seed tries the same, but for the instruction at which a signal arrives.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import bad_inputs  # noqa: E402
import mutator  # noqa: E402
import torch  # noqa: E402
from bad_inputs import ground  # noqa: E402
from commands import deepcuts  # noqa: E402
from crafted import a_file_of_each, crafted, refused  # noqa: E402
from processes_killed import SIGNALS, disturbed, to_the_end  # noqa: E402

torch.set_num_threads(1)

#: What may lie in a run or a cell without being the same each time.
_TIMES = ("seconds", "environments", "environment", "time", "finished", "logs")


class Tally:
    """Counts what was tried and what came out; keeps what came out wrong."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.came: dict[str, Counter[str]] = {}
        self.wrong: list[str] = []

    def count(self, what: str, came: str) -> None:
        self.tried[what] += 1
        self.came.setdefault(what, Counter())[came] += 1

    @contextmanager
    def trying(self, what: str, which: str) -> Iterator[None]:
        """Whatever is raised in the context came out wrong."""
        try:
            yield
        except Exception as error:
            self.count(what, "wrong")
            told = traceback.format_exc().strip().splitlines()
            self.wrong.append(
                f"{what}: {which}: {type(error).__name__}: {error} ({' '.join(told[-3:-1])[:300]})"
            )
            print(f"WRONG {self.wrong[-1]}", file=sys.stderr, flush=True)

    def table(self) -> str:
        rows = [
            f"| {what} | {self.tried[what]} | "
            + ", ".join(f"{number} {came}" for came, number in sorted(self.came[what].items()))
            + " |"
            for what in self.tried
        ]
        return "\n".join(["| tried | times | came out |", "| --- | --- | --- |", *rows])


def mutants(tally: Tally, folder: Path, count: int, seed: int) -> None:
    """Files with something changed in them; each is read in a process whose memory is bounded."""
    made = a_file_of_each(folder / "made")
    for name, format in mutator.FORMATS.items():
        right = format.read(made / name, folder / f"right-{name}")
        for number in range(count):
            place = folder / name / str(number)
            mutant = format.mutant(made, place, seed * 10**6 + number)
            with tally.trying(f"changed {name} files", f"{number} {mutant.what}"):
                told = mutator.outcome(format, mutant, place)
                if told == "read" and not mutant.is_signed:
                    assert format.read(mutant.path, place) == right, "an accident went unseen"
                assert told == "read" or str(place) in told, f"the message does not name the file: {told}"
                assert "\n" not in told, "more than one line"
                kind = (
                    "read, as the change says nothing else"
                    if not mutant.is_signed
                    else "read as what it says"
                )
                tally.count(f"changed {name} files", kind if told == "read" else "refused in a line")
            shutil.rmtree(place)


def in_bounded_memory(work: Callable[[], None], most: int) -> None:
    """Do work in a process that may take so many bytes more than this one has."""
    child = os.fork()
    if not child:
        status = 1
        try:
            before = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            work()
            after = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            status = 0 if after - before <= most else 3
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise AssertionError(f"it took more than {most:,} bytes" if code == 3 else f"status {code}")


def bombs(tally: Tally, folder: Path) -> None:
    """Files that say or hold far more than they are; what reading them takes is measured."""
    models: Any = _module("test_crafted_models")
    files: Any = _module("test_crafted_files")
    made = a_file_of_each(folder / "made")
    tables = {"masks": files.MASKS, "scores": files.SCORES, "packed": models.PACKED, "sparse": models.SPARSE}
    for name, changes in tables.items():
        format = mutator.FORMATS[name]
        for number, (title, change) in enumerate(changes.items()):
            place = folder / f"{name}-{number}"
            place.mkdir()
            with tally.trying("crafted files, memory measured", f"{name}: {title}"):
                if format.kind:
                    path = crafted(made, place / name, name, format.kind, change)
                else:
                    path = models.sparse_folder(made, place / name, change)
                in_bounded_memory(partial(refused, partial(format.read, path, place)), 50 * 2**20)
                tally.count("crafted files, memory measured", "refused in a line, in less than 50 MiB")


def inputs(tally: Tally, folder: Path, count: int, seed: int) -> None:
    """Command lines that should not be."""
    here = ground(folder / "ground", finished=True)
    os.chdir(here)
    held = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(
        resource.RLIMIT_AS, (held + 6 * 2**30, resource.RLIM_INFINITY)
    )  # or an endless one ends us
    for number, bad in enumerate(islice(bad_inputs.bad_inputs(seed), count)):
        with tally.trying("bad inputs", f"{number} {' '.join(bad.arguments)[:300]!r}"):
            status, said = bad_inputs.outcome(bad, here)
            assert "not enough memory" not in said, "it took more than 6 GiB"
            tally.count("bad inputs", f"status {status}" + (", a message" if status else ""))
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def disks(tally: Tally, folder: Path, count: int, seed: int) -> None:
    """A disk that is full at any moment, which is where no file may grow beyond so many bytes."""
    here = ground(folder / "ground", finished=True)
    os.chdir(here)
    chance = random.Random(seed)
    for number in range(count):
        command = chance.choice(["prune", "export", "export", "report", "compare", "grid", "bench"])
        arguments = [one for one in bad_inputs._RIGHT[command] if one != "--dry-run"]
        if command == "export":
            arguments += ["--format", chance.choice(["dense", "sparse", "packed"])]
        if command in ("compare", "bench"):
            arguments += ["-o", "new"]
        if command == "grid":
            arguments[arguments.index("store")] = "new"
        size = int(10 ** chance.uniform(1, 5))
        with tally.trying("full disks", f"{number} {command} at {size} bytes"):
            before = bad_inputs._listed(here)
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            try:
                done = deepcuts(command, *arguments)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            after = bad_inputs._listed(here)
            assert done.returncode in (0, 1), f"status {done.returncode}: {done.stderr[-300:]}"
            assert "Traceback" not in done.stderr, done.stderr[-300:]
            assert before == {name: after.get(name) for name in before}, (
                "something was changed that was there"
            )
            assert not [name for name in after if ".tmp" in name], "something was left half-written"
            if done.returncode and command in ("prune", "grid"):
                again = deepcuts(command, *arguments, *(["--retry-failed"] if command == "grid" else []))
                assert again.returncode == 0, f"it does not go on: {again.stderr[-300:]}"
            tally.count(
                "full disks", f"status {done.returncode}" + (", a message" if done.returncode else "")
            )
        shutil.rmtree(here / "new", ignore_errors=True)
        (here / "new").unlink(missing_ok=True)


def kills(tally: Tally, folder: Path, count: int, seed: int, workers: int) -> None:
    """Signals at random moments of a run, or of a grid, and what comes out when it goes on."""
    here = ground(folder / "ground")
    os.chdir(here)
    chance = random.Random(seed)
    command = "grid" if workers else "prune"
    arguments = [one for one in bad_inputs._RIGHT[command] if one != "--dry-run"]
    arguments = ["store" if one in ("new", "store") else one for one in arguments] + (
        ["--jobs", str(workers), "--threads", "1"] if workers else ["--keep-scores", "--rewind", "pretrained"]
    )
    bits = []
    for _ in range(2):  # the first one takes longer
        shutil.rmtree(here / "store", ignore_errors=True)
        right = to_the_end([command, *arguments], folder / "right.log")
        assert right.status == 0, right.said
        bits.append(_bits(here / "store"))
    expected = bits[0]
    assert bits[1] == expected, "two undisturbed runs differ"
    for number in range(count):
        shutil.rmtree(here / "store", ignore_errors=True)
        name = list(SIGNALS)[number % len(SIGNALS)]
        what = f"{name} during {command}" + (f" with {workers} processes" if workers > 1 else "")
        with tally.trying(what, str(number)):
            hits = 0
            for _ in range(chance.choice([1, 1, 2])):
                ended = disturbed([command, *arguments], folder / "log", name, right.seconds, chance)
                assert ended.status in (0, *SIGNALS[name]), f"status {ended.status}: {ended.said[-500:]}"
                assert "Traceback" not in ended.said, ended.said[-500:]
                hits += ended.status != 0 or "its worker died" in ended.said
            again = to_the_end([command, *arguments], folder / "log")
            assert again.status == 0, f"it does not go on: {again.said[-500:]}"
            found = _bits(here / "store")
            assert found.keys() == expected.keys(), f"{found.keys() ^ expected.keys()}"
            for file, content in found.items():
                assert content == expected[file], f"{file} is another one"
            tally.count(what, "bit-identical once it went on" if hits else "had ended, or went on by itself")


def _bits(folder: Path) -> dict[str, Any]:
    """What a run or a store holds, without times, and without what only says that something was begun."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or path.name.endswith(".lock"):
            continue
        # A cell is done once it has its result, whether or not it was killed before its record as a stage.
        if path.name == "stage.json" and (path.parent / "result.json").is_file():
            continue
        if path.suffix == ".json" and path.name != "environment.json":
            found[name] = _timeless(json.loads(path.read_text()))
        elif path.name != "environment.json":
            found[name] = path.read_bytes()
    return found


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(one) for name, one in value.items() if name not in _TIMES}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _module(name: str) -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Try everything, or what is named."""
    parts: dict[str, Callable[[Tally, Path, int], None]] = {
        "bombs": lambda tally, folder, seed: bombs(tally, folder),
        "mutants": lambda tally, folder, seed: mutants(tally, folder, round(500 * scale), seed),
        "inputs": lambda tally, folder, seed: inputs(tally, folder, round(600 * scale), seed),
        "disks": lambda tally, folder, seed: disks(tally, folder, round(40 * scale), seed),
        "kills": lambda tally, folder, seed: kills(tally, folder, round(36 * scale), seed, 0),
        "grid": lambda tally, folder, seed: kills(tally, folder, round(18 * scale), seed, 1),
        "workers": lambda tally, folder, seed: kills(tally, folder, round(6 * scale), seed, 2),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)} (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="how many of everything, as a multiple")
    given = parser.parse_args()
    scale, home, tally, began = given.scale, Path.cwd(), Tally(), time.monotonic()
    for name in given.parts or parts:
        with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as folder:
            parts[name](tally, Path(folder), given.seed)
            os.chdir(home)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(tally.table())
    for one in tally.wrong:
        print(f"WRONG {one}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
