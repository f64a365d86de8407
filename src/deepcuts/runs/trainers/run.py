"""`prune_trainer`: the recipes of ``deepcuts prune`` on the model of a user's own Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from torch import nn

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.common.files import check_output
from deepcuts.common.processes import Processes
from deepcuts.common.progress import Reporter, console
from deepcuts.common.store import Store
from deepcuts.common.wrapped import unwrapped
from deepcuts.masks.rewinding import Snapshot, snapshot
from deepcuts.runs import run_folder
from deepcuts.runs.inputs import refuse_changed
from deepcuts.runs.pipeline import carry_out
from deepcuts.runs.plans import check_cut, memory_of
from deepcuts.runs.pretrained import pretrained_values
from deepcuts.runs.run_folder import check_run_folder, open_run
from deepcuts.runs.trainers.arguments import said_by
from deepcuts.runs.trainers.checks import check_frozen, check_kind, check_trainer, unread_by_loss
from deepcuts.runs.trainers.config import TrainerConfig
from deepcuts.runs.trainers.piece import TrainerPiece, can_evaluate
from deepcuts.runs.trainers.rows import rows_digest
from deepcuts.scoring.strategy import ScoreRequest, Strategy


def prune_trainer(
    trainer: Any,
    *,
    output: str | Path,
    start: Literal["pretrained", "finetuned"] = "pretrained",
    pretrained: nn.Module | str | Path | None = None,
    shared: str | Path | None = None,
    overwrite: bool = False,
    keep_scores: bool = False,
    dry_run: bool = False,
    reporter: Reporter | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Prune the model of a Trainer by the Trainer: its loss, its batches, its arguments, its measures.

    The order of steps is a recipe's, by default the paper's (DeepCuts, §3): train, score by the Trainer's own
    loss on its own batches, cut, rewind, train again with the cut weights held at 0, evaluate, save. Every
    training has a fresh optimizer and schedule. What is interrupted goes on where it stopped when it is asked
    for again with the same model and rows.

    Args:
        trainer: A `transformers.Trainer` or a subclass of it, such as those of sentence-transformers, not yet
            trained, or trained already (`start`). It is used as it is, and its model ends as the pruned one.
        output: The run folder: ``model/`` as the Trainer saves it, ``masks.safetensors``, ``result.json``.
        start: ``"pretrained"``: the model is at θ0 and is trained first. ``"finetuned"``: it is trained
            already and is scored as it is; what is left goes on from its own values, or from `pretrained`.
        pretrained: θ0 of a model that is fine-tuned already: a model, or a folder or name that its class
            loads. What it lacks, such as a head, keeps the fine-tuned values.
        shared: Folder for what several runs may reuse: the trained dense model, its scores.
        overwrite: Whether a run that is in the folder is deleted first.
        keep_scores: Whether the scores are saved in the run folder.
        dry_run: Whether to check everything and say what would be done, without doing it.
        reporter: Where progress is shown; by default on standard error.
        options: As ``deepcuts prune`` has them, with underscores: ``strategy``, ``density``, ``compression``,
            ``recipe``, ``retrain_epochs``, ``retrain_learning_rate``, ``score_batches``, ``prunable`` …

    Returns:
        The result, as it stands in ``result.json``; of a dry run, what would be done: a word → a line.

    Raises:
        InputError: An argument is not allowed, or the Trainer is one that a model can't be pruned by; nothing
            was trained then.
        RunFolderError: The folder holds something else than this run.
        DivergedError: The loss became NaN or infinite.
    """
    folder = Path(output)
    piece = _prepared(trainer, start, pretrained, reporter, options)
    check_run_folder(folder, piece.config, overwrite)
    if shared is not None:
        check_output(Path(shared), "shared", folder=True)
    if not overwrite:
        _check_model(folder, piece, keep_scores)
    if dry_run:
        return _plan(piece)
    with open_run(folder, piece.config, piece.processes, overwrite=overwrite):
        own = Store(folder / run_folder.WORK, piece.processes)
        if (finished := run_folder.finished_result(folder)) is not None:
            piece.reporter.line(f"{folder}: finished already; nothing was done again")
            own.remove()
            return finished
        for note in piece.notes:
            piece.reporter.line(f"note: {note}")
        piece.reporter.line(f"memory for scoring: {memory_of(piece)}")
        store = own if shared is None else Store(Path(shared), piece.processes)
        return carry_out(piece, folder, store, keep_scores=keep_scores)


def _check_model(folder: Path, piece: TrainerPiece, keep_scores: bool) -> None:
    """Refuse a finished run of another model; rows and arguments are in its configuration.

    Raises:
        RunFolderError: Weights or configuration have changed since; or it kept no scores.
    """
    if (finished := run_folder.finished_result(folder)) is not None:
        known = finished["inputs"]
        names = [
            name for name in ("start", "config", "pretrained") if known.get(name) != piece.origin.get(name)
        ]
        refuse_changed(folder, names, keep_scores=keep_scores)


def _prepared(
    trainer: Any, start: str, pretrained: Any, reporter: Reporter | None, options: dict[str, Any]
) -> TrainerPiece:
    """Everything checked that can be checked before any long work."""
    check_kind(trainer)
    model: nn.Module = unwrapped(trainer.model)
    check_trainer(trainer, model)
    name = str(getattr(getattr(model, "config", None), "_name_or_path", "") or type(model).__name__)
    data = {
        "trainer": f"{type(trainer).__module__}.{type(trainer).__qualname__}",
        "loss": type(trainer.loss).__name__
        if isinstance(getattr(trainer, "loss", None), nn.Module)
        else None,
        "arguments": said_by(trainer.args),
        "train": rows_digest(trainer.train_dataset),
        "eval": rows_digest(trainer.eval_dataset),
    }
    called = None if pretrained is None else _shown(pretrained)
    config = TrainerConfig.of(trainer, name, data, options, start=start, pretrained=called)
    parameters = prunable_parameters(model, config.prunable)
    check_frozen(parameters)
    told = []
    if (unread := unread_by_loss(trainer, model, parameters, config.seed)) and config.prunable is None:
        told.append(f"the loss does not depend on {', '.join(unread)}, so nothing of it is cut")
        parameters = {key: value for key, value in parameters.items() if key not in unread}
    elif unread:
        raise InputError("prunable", unread[0], "the Trainer's loss does not depend on it; leave it out")
    total, free = (sum(p.numel() for p in part) for part in (model.parameters(), parameters.values()))
    budget = config.budget(total, free)
    budget.kept_in_all(free)
    request = ScoreRequest(Strategy.parse(config.strategy), config.scoring())
    if request.compiles:
        raise InputError(
            "score_compile", True, "a Trainer's own loss can't be compiled for scores; leave it out"
        )
    begun = snapshot(model)
    processes = Processes.join()
    shown = reporter or Reporter(console(stderr=True))
    if data["train"] is None:
        told.append(
            "the training rows can't be told apart, so a run that goes on can't see whether they changed"
        )
    if not can_evaluate(trainer):
        told.append("the Trainer has nothing to evaluate on, so nothing is measured")
    piece = TrainerPiece(
        config,
        trainer,
        model,
        begun,
        begun if pretrained is None else _values_of(pretrained, model, begun, told),
        parameters,
        budget,
        processes,
        shown if processes.is_first else Reporter(),
        tuple(told),
    )
    check_cut(piece)
    return piece


def _values_of(given: Any, model: nn.Module, begun: Snapshot, told: list[str]) -> Snapshot:
    """θ0 of a model that is fine-tuned already.

    Raises:
        InputError: It can't be loaded, or is another model's.
    """
    other = unwrapped(given) if isinstance(given, nn.Module) else given
    if isinstance(given, str | Path):
        loader = getattr(type(model), "from_pretrained", None) or type(model)
        try:
            other = loader(str(given))
        except (OSError, ValueError) as error:
            raise InputError(
                "pretrained", str(given), f"{type(model).__name__} can't load it ({error})"
            ) from None
    if not isinstance(other, nn.Module):
        raise InputError("pretrained", _shown(given), "it must be a model, a folder or a name")
    found, own = pretrained_values(_shown(given), other, model, begun)
    if own:
        told.append(
            f"{len(own)} tensors that the pretrained model lacks ({own[0]}) keep their fine-tuned values"
        )
    return found


def _plan(piece: TrainerPiece) -> dict[str, str]:
    """What a run would do, said and given back."""
    found = {"what": piece.title, **dict(piece.described)}
    for number, note in enumerate(piece.notes, 1):
        found[f"note {number}"] = note
    for step in piece.steps:
        if (previewed := step.preview(piece)) is not None:
            found[previewed[0]] = previewed[1]
    for word, line in found.items():
        piece.reporter.line(f"{word:<13}{line}")
    return found


def _shown(given: Any) -> str:
    return str(given) if isinstance(given, str | Path) else type(given).__name__
