"""``deepcuts compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deepcuts.report.analysis.comparison import Row

_LEVELS = ("overall", "kind", "layer", "block", "tensor", "head")


def compare(
    paths: Annotated[list[Path], typer.Argument(help="Two or more run folders or mask files.")],
    by: Annotated[
        str, typer.Option(help="Part to print beside the whole: kind, layer, block, tensor or head.")
    ] = "kind",
    heads: Annotated[
        int | None, typer.Option(help="Attention heads of a layer (default: a run's own).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the tables with every level.")
    ] = None,
    as_format: Annotated[str, typer.Option("--format", help="Of those tables: csv or parquet.")] = "csv",
) -> None:
    """Compare masks: overlap of kept and of cut weights beside chance, and where the kept weights are.

    Masks of several strategies, densities, seeds or tasks may be compared, as long as they are for one
    model. Kappa is 0 for independent masks and 1 for equal ones. Where all paths are runs that kept their
    scores, the agreement of the scores' ranks is shown as well.

    Example:  deepcuts compare runs/LayerGradCAMShift runs/LayerMagWeight --by layer
    """
    from deepcuts.cli.command import refuse_given
    from deepcuts.cli.common import say
    from deepcuts.common.errors import InputError
    from deepcuts.common.files import check_output
    from deepcuts.masks.bits import MaskBits
    from deepcuts.report.analysis import density_table, overlap_table, shared_table
    from deepcuts.runs.run_folder import mask_file

    if len(paths) < 2:
        raise InputError("paths", [str(path) for path in paths], "at least two are compared")
    if by not in _LEVELS:
        raise InputError("by", by, f"it must be one of {', '.join(_LEVELS[1:])}")
    if as_format not in ("csv", "parquet"):
        raise InputError("format", as_format, "it must be csv or parquet")
    if output is None:
        refuse_given(["as_format"], "it is of the tables that --output writes")
        if by != "head":
            refuse_given(["heads"], "it is for --by head, or the tables that --output writes")
    if heads is not None and heads < 1:
        raise InputError("heads", heads, "it must be 1 or more")
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("paths", [str(path) for path in paths], "each is compared once")
    if output is not None:
        check_output(output, folder=True)
    labels = _labels(paths)
    if by == "head" and heads is None:
        heads = _heads(paths)
    masks = {label: MaskBits.load(mask_file(path)) for label, path in labels.items()}
    tables = {
        "overlap": overlap_table(masks, heads),
        "density": density_table(masks),
        "shared": shared_table(masks),
        "ranks": _ranks(labels),
    }
    _print(tables, by)
    if output is not None:
        for name, rows in tables.items():
            if rows:
                _write(output / f"{name}.{as_format}", rows)
        say(f"Tables: {output}")


def _labels(paths: list[Path]) -> dict[str, Path]:
    """A short name for each path: its last part, unless two share it."""
    short = [path.name if path.is_dir() else path.stem for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    return dict(zip(names, paths, strict=True))


def _heads(paths: list[Path]) -> int:
    from deepcuts.common.errors import InputError
    from deepcuts.common.files import read_json
    from deepcuts.runs.run_folder import MODEL

    said: set[int] = set()
    for path in paths:
        if (path / MODEL / "config.json").is_file():
            try:
                config = read_json(path / MODEL / "config.json")
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(config, dict):
                found = config.get("num_attention_heads", config.get("n_heads"))
                if isinstance(found, int) and found > 0:
                    said.add(found)
    if len(said) == 1:
        return said.pop()
    if said:
        numbers = " and ".join(map(str, sorted(said)))
        raise InputError("heads", None, f"the models of these runs have {numbers}; give one number")
    raise InputError("heads", None, "none of the paths is a run that says it; give their number")


def _ranks(labels: dict[str, Path]) -> list[Row]:
    from itertools import combinations

    from deepcuts.report.analysis import rank_agreement
    from deepcuts.runs.run_folder import SCORES
    from deepcuts.scoring.scores import Scores

    if not all((path / SCORES).is_file() for path in labels.values()):
        return []
    rows: list[Row] = []
    for first, second in combinations(labels, 2):
        found = rank_agreement(*(Scores.load(labels[label] / SCORES) for label in (first, second)))
        rows += [
            {"first": first, "second": second, "tensor": name, "spearman": r} for name, r in found.items()
        ]
    return rows


def _print(tables: dict[str, list[Row]], by: str) -> None:
    from deepcuts.cli.common import print_table

    columns = ["part", "densities", "kept IoU", "by chance", "pruned IoU", "by chance", "kappa"]
    summaries = ("overall", "mean over tensors", "minimum over tensors")
    pairs = dict.fromkeys((row["first"], row["second"]) for row in tables["overlap"])
    for first, second in pairs:
        rows = [row for row in tables["overlap"] if (row["first"], row["second"]) == (first, second)]
        shown = [row for row in rows if row["level"] in (*summaries, by)]
        cells = [[_title(row, summaries), *_cells(row)] for row in shown]
        ranks = [
            row["spearman"] for row in tables["ranks"] if (row["first"], row["second"]) == (first, second)
        ]
        caption = (
            f"Spearman correlation of the scores, mean over tensors: {sum(ranks) / len(ranks):.3f}"
            if ranks
            else None
        )
        print_table(f"{first} and {second}", columns, cells, caption)
    if len(pairs) > 1:
        shared = [
            [
                row["part"],
                f"{row['weights']:,}",
                f"{row['kept_by_all']:,}",
                f"{row['expected_by_chance']:,.0f}",
            ]
            for row in tables["shared"]
        ]
        print_table("Kept by all", ["part", "weights", "kept by all", "by chance"], shared)
    labels = list(dict.fromkeys(row["masks"] for row in tables["density"]))
    parts = dict.fromkeys(row["part"] for row in tables["density"] if row["level"] in ("overall", by))
    density = {(row["masks"], row["part"]): row["density"] for row in tables["density"]}
    print_table(
        "Density",
        ["part", *labels],
        [[part, *(f"{density[label, part]:.4f}" for label in labels)] for part in parts],
    )


def _title(row: Row, summaries: tuple[str, ...]) -> str:
    return str(row["level"] if row["level"] in summaries else row["part"])


def _cells(row: Row) -> list[str]:
    measures = ("kept_iou", "kept_chance", "pruned_iou", "pruned_chance", "kappa")
    densities = f"{row['first_density']:.3f}, {row['second_density']:.3f}"
    return [densities, *(f"{row[name]:.3f}" for name in measures)]


def _write(path: Path, rows: list[Row]) -> None:
    from deepcuts.common.files import write_atomically
    from deepcuts.common.shown import write_csv

    if path.suffix == ".csv":
        write_atomically(path, lambda temporary: write_csv(temporary, rows))
        return
    import pyarrow as pa
    from pyarrow import parquet

    table: Any = pa.Table.from_pylist(rows)
    write_atomically(path, lambda temporary: parquet.write_table(table, temporary))
