"""``deepcuts inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    from deepcuts.common.quiet import quiet_libraries
    from deepcuts.masks.holding import verify_masks
    from deepcuts.masks.inspection import counts_by_layer
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
