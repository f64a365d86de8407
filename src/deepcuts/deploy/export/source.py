"""What is exported: a pruned model, its masks and its tokenizer, from any form that one is saved in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.deploy.export.formats import Source, format_of
from deepcuts.masks.holding import HeldMasks
from deepcuts.masks.masks import Masks
from deepcuts.models.loading import load_encoder, load_finetuned
from deepcuts.models.names import resolve_model
from deepcuts.runs.run_folder import MASKS, MODEL, mask_file, saved_config
from deepcuts.tasks.lengths import KEY


def load_source(path: str, *, masks: Path | None = None, trust_remote_code: bool = False) -> Source:
    """Load what is to be exported, with the types that its file has.

    Args:
        path: A run folder; a saved model, dense or in the sparse format; a packed file; a name on the Hub; or
            what else a format recognises.
        masks: A mask file. By default a run's own masks, or those that the sparse and the packed format hold;
            of any other model the weights that are not 0, among those that may be cut.
        trust_remote_code: Whether code that comes with the model may run.

    Raises:
        InputError: The model has no zeros that could be masks, or there is no such mask file.
        ModelError: The model can't be loaded.
        MismatchError: The masks are for another model.
        InvariantError: A weight that the masks cut is not 0.
    """
    if masks is not None and not masks.is_file():
        raise InputError("masks", str(masks), "there is no such file")
    if (Path(path) / MASKS).is_file() and not (Path(path) / MODEL).is_dir():
        raise InputError("run", path, "this run kept its masks, but no model")
    with _opened(path) as (name, held_masks):
        model, tokenizer = load_finetuned(name, trust_remote_code=trust_remote_code, dtype="auto")
        _tell_length(path, model)
        if masks is not None:
            found = Masks.load(masks)
        elif (own := held_masks()) is not None:
            found = own
        elif (Path(path) / MASKS).is_file():
            found = Masks.load(mask_file(Path(path)))
        else:
            found = masks_from_zeros(model)
    parameters = found.parameters_of(model)
    found = Masks({name: found[name] for name, _ in model.named_parameters() if name in parameters})
    held = HeldMasks(model, found)
    held.verify()
    held.apply()  # a cut weight may be −0, which no format keeps
    return Source(model, found, tokenizer, Path(path) if masks is None else None)


def load_pruned(path: str | Path, *, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """Load a pruned model of any form: a run, a dense or a sparse folder, a packed file, a name on the Hub.

    Args:
        path: Where it is.
        trust_remote_code: Whether code that comes with the model may run.

    Returns:
        The model, in float32, dense in memory, and its tokenizer. A bounded head is bounded.

    Raises:
        ModelError: The model can't be found or loaded.
        FileFormatError: The packed file is truncated or was altered.
    """
    with _opened(str(path)) as (name, _):
        model, tokenizer = load_finetuned(name, trust_remote_code=trust_remote_code)
    _tell_length(str(path), model)
    return model, tokenizer


def load_weights(path: str, *, trust_remote_code: bool = False) -> tuple[Any, Masks | None]:
    """A saved model of any form for its weights alone, whether its head is trained or not.

    Args:
        path: As `load_source` takes it.
        trust_remote_code: Whether code that comes with the model may run.

    Returns:
        The model, dense in memory, and the masks that its format holds, or None.

    Raises:
        ModelError: The model can't be found or loaded.
        FileFormatError: The file is truncated or was altered.
    """
    with _opened(path) as (name, held_masks):
        return load_encoder(name, trust_remote_code=trust_remote_code), held_masks()


def masks_from_zeros(model: Any) -> Masks:
    """Masks that keep every weight that is not 0; tensors without zeros get none.

    −0 is 0: a weight below 0 becomes it where a mask multiplies, as in ``torch.nn.utils.prune``.

    Raises:
        InputError: No weight that may be cut is 0, or the architecture is not known.
    """
    kept = {name: parameter.detach() != 0 for name, parameter in prunable_parameters(model).items()}
    masks = {name: mask for name, mask in kept.items() if not bool(torch.all(mask))}
    if not masks:
        raise InputError("run", type(model).__name__, "none of its weights is 0, so it was not pruned")
    return Masks(masks)


def _tell_length(path: str, model: Any) -> None:
    """Let a run's model say how many tokens it was trained with, where an older version saved it."""
    saved = saved_config(Path(path))
    if saved is not None and not hasattr(model.config, KEY):
        setattr(model.config, KEY, saved["max_length"])


@contextmanager
def _opened(path: str) -> Iterator[tuple[str, Callable[[], Masks | None]]]:
    """What names a model for `deepcuts.models`, and what gives the masks that its format holds."""
    place = Path(path).expanduser()
    if not place.is_file():
        place = Path(resolve_model(path))
    format = format_of(place)
    if format is None:
        yield path, lambda: None
        return
    with format.opened(place) as folder:
        yield str(folder), lambda: format.masks(folder)
