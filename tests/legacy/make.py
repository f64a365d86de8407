"""Makes the test data in ``v0.1/``, by the code of commit 384bc12 alone; see README.md."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMIT = "384bc12"
ANIMALS = ["dog", "cat", "cow", "hen", "pig", "fox"]
PLACES = ["here", "there", "home", "away", "inside"]
WORDS = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "the", "is", "not", *ANIMALS, *PLACES]

SCHEDULE = ["--epochs", "4+4", "--batch-size", "8", "--learning-rate", "0.02"]
PRUNE = [
    "prune", "--model", "model", "--train", "train.csv", "--dev", "dev.csv", "--text", "text",
    "--label", "target", "--strategy", "LayerGradCAMShift", "--density", "0.3", *SCHEDULE,
    "--score-batch-size", "4", "--keep-scores", "-o", "run",
]  # fmt: skip
PRUNE_PAIRS = [
    "prune", "--model", "model", "--task", "stsb", "--data", "glue", "--strategy", "LayerSmoothGrad",
    "--compression", "1.6", "--seed", "1", *SCHEDULE, "--score-batch-size", "4", "--paths", "2",
    "--keep-scores", "-o",
]  # fmt: skip

GRID = """\
name: tiny
defaults:
  model: model
  train: values.csv
  dev: values-dev.csv
  text: [text]
  label: target
  kind: regression
  finetune_epochs: 1
  retrain_epochs: 1
  learning_rate: 0.01
  batch_size: 8
grids:
  - strategy: [LayerMagWeight, LayerMagGrad]
    density: 0.4
    seed: [0, 1]
  - strategy: LayerMagGrad  # diverges
    density: 0.2
    retrain_learning_rate: 1.0e+30
"""

#: The command, interrupted when the scores are there, before anything is cut.
AFTER_SCORES = """
import deepcuts.pipeline
from deepcuts.cli import main

def interrupt(*arguments, **options):
    raise KeyboardInterrupt

deepcuts.pipeline.cut_and_retrain = interrupt
main()
"""
#: The command, interrupted when the first epoch of retraining is saved.
AFTER_AN_EPOCH = """
from transformers.trainer_callback import CallbackHandler
from deepcuts.cli import main

before = CallbackHandler.on_save

def interrupt(self, args, state, control):
    if "/retrain-" in args.output_dir:
        raise KeyboardInterrupt
    return before(self, args, state, control)

CallbackHandler.on_save = interrupt
main()
"""
#: Scores and masks, as the functions make and save them.
FUNCTIONS = """
import torch
from transformers import AutoModelForSequenceClassification
import deepcuts

torch.manual_seed(0)  # of the head
model = AutoModelForSequenceClassification.from_pretrained("model").eval()
scores = deepcuts.score(model, [], ["GlobalMagWeight"], seed=3)["GlobalMagWeight"]
scores.save("scores.safetensors")
deepcuts.select(scores, deepcuts.Budget.from_sparsity(0.75)).save("masks.safetensors")
"""


def main(output: Path) -> None:
    output.mkdir(parents=True)
    write_model(output / "model")
    write_rows(output / "train.csv", rows(48, 1))
    write_rows(output / "dev.csv", rows(20, 2))
    write_rows(output / "values.csv", values(24, 3))
    write_rows(output / "values-dev.csv", values(12, 4))
    write_rows(output / "glue" / "STS-B" / "train.tsv", pairs(48, 5), delimiter="\t")
    write_rows(output / "glue" / "STS-B" / "dev.tsv", pairs(20, 6), delimiter="\t")
    (output / "tiny.yaml").write_text(GRID)

    def run(*arguments: str, status: int = 0) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run([sys.executable, *arguments], cwd=output, env=environment, check=False)
        if done.returncode != status:
            sys.exit(f"{arguments}: status {done.returncode}, expected {status}")

    run("-m", "deepcuts", *PRUNE)
    run("-m", "deepcuts", *PRUNE_PAIRS, "pairs")
    run("-c", AFTER_SCORES, *PRUNE_PAIRS, "pairs-scored", status=130)
    run("-c", AFTER_AN_EPOCH, *PRUNE_PAIRS, "pairs-retraining", status=130)
    run("-m", "deepcuts", "grid", "tiny.yaml", "--store", "store", status=1)
    run("-m", "deepcuts", "export", "run", "--format", "sparse", "-o", "run-sparse")
    run("-m", "deepcuts", "export", "run", "--format", "packed", "-o", "run.packed")
    run("-c", FUNCTIONS)
    for lock in output.rglob(".*"):
        lock.unlink()
    for path in output.rglob("failure.json"):  # the traceback names files by where this machine has them
        path.write_text(re.sub(r'File \\"[^"]*/(src|site-packages)/', r'File \\"\1/', path.read_text()))
    for path in output.rglob("environment.json"):
        made = json.loads(path.read_text())
        if not made["commit"].startswith(COMMIT) or made["dirty"]:
            shutil.rmtree(output)
            sys.exit(f"made by {made['commit']}, dirty: {made['dirty']}; only {COMMIT} may make this data")


def write_model(folder: Path) -> None:
    """A tiny random BERT without a head, as a pretrained one would be, with a tokenizer of whole words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=0.2,
        pad_token_id=1,
    )
    model = BertModel(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # zeros would be taken for cut ones
            parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=24).save_pretrained(folder)


def write_rows(path: Path, content: list[dict[str, Any]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(content[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(content)


def sentence(generator: random.Random, negated: bool) -> str:
    words = ["the", generator.choice(ANIMALS), "is", *(["not"] if negated else []), generator.choice(PLACES)]
    return " ".join(words)


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """The class says whether there is a "not", but for one row in eight or so."""
    generator = random.Random(seed)
    negated = [generator.random() < 0.5 for _ in range(count)]
    return [
        {"text": sentence(generator, no), "target": "no" if no != (generator.random() < 0.12) else "yes"}
        for no in negated
    ]


def values(count: int, seed: int) -> list[dict[str, Any]]:
    """The value is higher where there is a "not"."""
    generator = random.Random(seed)
    negated = [generator.random() < 0.5 for _ in range(count)]
    return [
        {"text": sentence(generator, no), "target": round(generator.uniform(0, 2) + 3 * no, 2)}
        for no in negated
    ]


def pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """Two sentences; the score is higher where both or neither have a "not"."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        first, second = generator.random() < 0.5, generator.random() < 0.5
        found.append(
            {
                "sentence1": sentence(generator, first),
                "sentence2": sentence(generator, second),
                "score": round(generator.uniform(0, 2) + 3 * (first == second), 2),
            }
        )
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
