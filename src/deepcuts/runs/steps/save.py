"""Saving what a run leaves behind: masks, predictions, the pruned model, read back and checked."""

from __future__ import annotations

from dataclasses import dataclass

from deepcuts.common.errors import InvariantError
from deepcuts.masks.holding import verify_masks
from deepcuts.masks.masks import Masks
from deepcuts.runs import run_folder
from deepcuts.runs.steps.step import Run, Step


@dataclass(frozen=True)
class Save(Step):
    """Check the masks once more, and write everything into the run folder."""

    kind = "save"

    def do(self, run: Run, before: str) -> None:
        """Save.

        Raises:
            InvariantError: A cut weight is not 0, or what was read back is not, bit for bit, what was saved.
        """
        assert run.masks is not None
        verify_masks(run.piece.model, run.masks)
        with run.timed("save"):
            if run.piece.processes.is_first:
                if run.keep_scores:
                    run.scored[-1].scores.save(run.run_folder / run_folder.SCORES)
                run.masks.save(run.run_folder / run_folder.MASKS)
                saved = Masks.load(run.run_folder / run_folder.MASKS)
                if saved.kept != run.masks.kept:
                    raise InvariantError(f"{saved.kept:,} weights are kept, {run.masks.kept:,} were planned")
                if run.keep_model:
                    run.piece.save(run.run_folder / run_folder.MODEL, saved)
                if run.predictions:
                    path = run.run_folder / run_folder.PREDICTIONS
                    run.piece.save_predictions(path, run.predictions, targets=True)
            run.piece.processes.wait()
