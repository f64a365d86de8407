"""``deepcuts bench``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.cli.command import refuse_given
from deepcuts.common.errors import InputError


def bench(
    run: Annotated[
        str,
        typer.Argument(help="A run folder, a saved model (dense or sparse), a packed file, or a Hub name."),
    ],
    shape: Annotated[
        list[str] | None,
        typer.Option(help="ROWSxTOKENS of a timed batch; repeat (default: 1x32, 1x128, 16x128)."),
    ] = None,
    turns: Annotated[int, typer.Option(help="How often each is timed.")] = 15,
    threads: Annotated[
        int | None, typer.Option(help="Threads of every runtime (default: as PyTorch takes).")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A way to run it, such as sparse-bf16; repeat (default: all).")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; auto takes a GPU where there is one.")
    ] = "auto",
    tolerance: Annotated[
        float, typer.Option(help="How far below torch fp32's measure a way may be to be recommended.")
    ] = 0.01,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Start a process for each way to weigh it.")
    ] = True,
    measure: Annotated[bool, typer.Option("--measure/--no-measure", help="Measure each way on dev.")] = True,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write everything to this JSON file.")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
    **given: Any,
) -> None:
    """Measure a model in every way that this machine can run it, and say which to use.

    Speed, memory, file size, and the task's measures on dev, of the dense model and of the sparse runtime.

    Example:  deepcuts bench run --shape 1x64 --shape 8x128
    """
    from deepcuts.deploy.bench.shape import Shape, check_turns
    from deepcuts.deploy.bench.ways import check_names

    if output is not None:
        from deepcuts.common.files import check_output

        check_output(output)
        if output.exists():
            raise InputError("output", str(output), "it exists already; name another, or remove it")
    shapes = [Shape.parse(one) for one in shape or ()]
    check_turns(turns)
    check_names(only or ())
    from deepcuts.cli.common import data_to_measure_on, reporter
    from deepcuts.common.progress import quiet_libraries

    quiet_libraries()
    from deepcuts.cli.bench_tables import print_bench
    from deepcuts.common.files import write_json
    from deepcuts.deploy.bench.run import SHAPES, BenchOptions
    from deepcuts.deploy.bench.run import bench as measure_all
    from deepcuts.runs.data import DataConfig, data_options
    from deepcuts.runs.settings import LENGTH

    options = BenchOptions(
        shapes=shapes or SHAPES,
        turns=turns,
        threads=threads,
        only=only or (),
        device=device,  # type: ignore[arg-type]
        tolerance=tolerance,
        memory=memory,
        trust_remote_code=trust_remote_code,
    )
    source, length = data_to_measure_on(run, given)
    source = replace(source, test=None)  # it is not measured here, and may be gone
    of_data = {option.setting for option in (*data_options(), LENGTH)}
    if not measure:
        refuse_given({*of_data, "tolerance"}, "with --no-measure nothing is measured on dev")
    elif source == DataConfig():
        refuse_given({*of_data, "tolerance"}, "nothing is measured on dev: name a task, or your own files")
    loaded = source.load() if measure and source != DataConfig() else None
    found = measure_all(run, loaded, options=options, max_length=length, reporter=reporter())
    print_bench(run, found)
    if output is not None:
        write_json(output, found.as_json())


def complete(arguments: Sequence[str]) -> Callable[..., None]:
    """The command with the options of its data; it reads nothing of its command line before."""
    from deepcuts.cli.common import with_data

    return with_data(bench, ["test"])
