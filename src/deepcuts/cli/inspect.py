"""``deepcuts inspect``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deepcuts.masks.masks import Masks

_LAYER = re.compile(r"\.(\d+)\.")


def inspect(
    path: Annotated[
        str,
        typer.Argument(
            help="A run folder, a mask file, or a saved model: dense, sparse, packed, on the Hub."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Verify the masks against this model's zeros (default: a run's own).")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
) -> None:
    """Show density by tensor and by layer, verified against the zeros of the model.

    Of a saved model without masks, what is not 0 counts as kept.

    Example:  deepcuts inspect run
    """
    from deepcuts.common.errors import InputError
    from deepcuts.common.progress import quiet_libraries
    from deepcuts.common.tensor_file import kind_of
    from deepcuts.deploy.export.packed_file import KIND
    from deepcuts.runs.run_folder import MASKS, RESULT, mask_file

    place = Path(path)
    is_other_file = place.suffix == ".safetensors" or (place.is_file() and kind_of(place) != KIND)
    if (place / MASKS).is_file() or is_other_file or model is not None:
        _of_masks(mask_file(place), place, model, trust_remote_code)
        return
    if place.is_dir() and not any((place / name).is_file() for name in ("config.json", RESULT)):
        raise InputError("path", path, "it must be a run folder, a mask file or a saved model")
    quiet_libraries()
    from deepcuts.architectures.parameters import prunable_parameters
    from deepcuts.deploy.export.source import load_weights
    from deepcuts.masks.masks import Masks

    loaded, masks = load_weights(path, trust_remote_code=trust_remote_code)
    everything = dict(loaded.named_parameters())
    try:
        counted = dict(prunable_parameters(loaded))
    except InputError:  # of an architecture that is not known
        counted = {name: parameter for name, parameter in everything.items() if parameter.dim() > 1}
    held = dict(masks or {})
    shown = Masks({name: held.get(name, parameter != 0) for name, parameter in counted.items()})
    zeros = {name: int((parameter == 0).sum()) for name, parameter in everything.items()}
    wrong = sum(int((~parameter.isfinite()).sum()) for parameter in everything.values())
    total = sum(parameter.numel() for parameter in everything.values())
    empty = sum(zeros.values())
    caption = [
        f"{type(loaded).__name__}: {total:,} parameters in all, {empty:,} of them 0 "
        f"(density {1 - empty / total:.4f}).",
        "Kept is what its masks keep." if held else "Kept is what is not 0; it holds no masks.",
        *([f"{wrong:,} of them are NaN or infinite."] if wrong else []),
    ]
    _print(shown, {name: zeros[name] for name in shown}, caption)


def _of_masks(file: Path, place: Path, model: str | None, trust_remote_code: bool) -> None:
    """Of a run or a mask file."""
    from deepcuts.cli.command import refuse_given
    from deepcuts.common.progress import quiet_libraries
    from deepcuts.masks.holding import verify_masks
    from deepcuts.masks.masks import Masks
    from deepcuts.runs.run_folder import MODEL

    masks = Masks.load(file)
    target = model or (str(place / MODEL) if (place / MODEL).is_dir() else None)
    verified = "Not verified against a model; name one by --model."
    zeros: dict[str, int] = {}
    if target is None:
        refuse_given(["trust_remote_code"], "no model is loaded; name one by --model")
    else:
        quiet_libraries()
        from deepcuts.deploy.export.source import load_weights

        loaded, _ = load_weights(target, trust_remote_code=trust_remote_code)
        parameters = masks.parameters_of(loaded)
        zeros = {name: int((parameter == 0).sum()) for name, parameter in parameters.items()}
        verify_masks(loaded, masks)
        verified = f"Verified: every cut weight is exactly 0 in {target}."
    scores, budget = masks.provenance.get("scores"), masks.provenance.get("budget")
    caption = [verified]
    if isinstance(scores, Mapping) and isinstance(budget, Mapping):
        said = [scores.get("strategy"), budget.get("asked"), budget.get("scope"), scores.get("seed")]
        if None not in said:
            caption.insert(0, f"{said[0]}, {said[1]}, {said[2]} scope, seed {said[3]}.")
    _print(masks, zeros, caption)


def _print(masks: Masks, zeros: Mapping[str, int], caption: list[str]) -> None:
    """The tables by tensor and by layer."""
    from deepcuts.cli.common import print_table

    kept = masks.kept_by_tensor
    rows = [
        [
            name,
            f"{mask.numel():,}",
            f"{kept[name]:,}",
            f"{kept[name] / mask.numel():.4f}",
            f"{zeros[name]:,}" if zeros else "–",
        ]
        for name, mask in masks.items()
    ]
    columns = ["weights", "kept", "density", "zeros in the model"]
    print_table("By tensor", ["name", *columns], rows)
    layers = [
        [layer, f"{total:,}", f"{left:,}", f"{left / total:.4f}"]
        for layer, (total, left) in counts_by_layer(masks).items()
    ]
    print_table(
        "By layer",
        ["layer", *columns[:3]],
        [*layers, ["all", f"{masks.total:,}", f"{masks.kept:,}", f"{masks.density:.4f}"]],
        "\n".join(caption),
    )


def counts_by_layer(masks: Masks) -> dict[str, tuple[int, int]]:
    """Weights and kept weights of each numbered layer, and of what belongs to none by its module's name.

    Args:
        masks: Masks of a model.

    Returns:
        ``"layer 0"`` and so on, or the module's name, such as ``"bert.pooler.dense"`` → (weights, kept),
        in the model's order.
    """
    counts: dict[str, tuple[int, int]] = {}
    for name, kept in masks.kept_by_tensor.items():
        number = _LAYER.search(f".{name}")
        layer = f"layer {number.group(1)}" if number else name.rpartition(".")[0] or name
        weights, before = counts.get(layer, (0, 0))
        counts[layer] = weights + masks[name].numel(), before + kept
    return counts
