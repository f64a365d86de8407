"""``deepcuts inspect``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deepcuts.masks.masks import Masks

_LAYER = re.compile(r"\.(\d+)\.")


def inspect(
    path: Annotated[Path, typer.Argument(help="A run folder, or a mask file.")],
    model: Annotated[
        str | None, typer.Option(help="Verify the masks against this model's zeros (default: a run's own).")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
) -> None:
    """Show density by tensor and by layer, verified against the zeros of the model.

    Example:  deepcuts inspect run
    """
    from deepcuts.cli.common import print_table
    from deepcuts.common.progress import quiet_libraries
    from deepcuts.masks.holding import verify_masks
    from deepcuts.masks.masks import Masks
    from deepcuts.runs.run_folder import MODEL, mask_file

    masks = Masks.load(mask_file(path))
    target = model or (str(path / MODEL) if (path / MODEL).is_dir() else None)
    verified = "Not verified against a model; name one by --model."
    zeros: dict[str, int] = {}
    if target is not None:
        quiet_libraries()
        from deepcuts.models.loading import load_encoder

        loaded = load_encoder(target, trust_remote_code=trust_remote_code)
        parameters = masks.parameters_of(loaded)
        zeros = {name: int((parameter == 0).sum()) for name, parameter in parameters.items()}
        verify_masks(loaded, masks)
        verified = f"Verified: every cut weight is exactly 0 in {target}."
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
    scores, budget = masks.provenance.get("scores"), masks.provenance.get("budget")
    caption = [verified]
    if scores and budget:
        caption.insert(
            0, f"{scores['strategy']}, {budget['asked']}, {budget['scope']} scope, seed {scores['seed']}."
        )
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
