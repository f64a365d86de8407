"""A tiny run by an installed package, in a folder far from any checkout."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

WORDS = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "cat", "is", "not", "here"]
FILES = ["--train", "rows.csv", "--dev", "rows.csv", "--text", "text", "--label", "label"]
TRAINING = ["--epochs", "1+1", "--batch-size", "8", "--score-batch-size", "4", "--paths", "2"]


def command(*arguments: str, says: str = "") -> None:
    """Run the installed command, which must succeed and say something."""
    program = Path(sysconfig.get_path("scripts")) / "deepcuts"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    if done.returncode or says not in told:
        sys.exit(f"deepcuts {' '.join(arguments)}: status {done.returncode}\n{told}")
    print("ok: deepcuts", *arguments)


def write_inputs() -> None:
    """A random model with a tokenizer of whole words, and rows."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(
        vocab_size=len(WORDS), pad_token_id=1, max_position_embeddings=32, initializer_range=0.2, **sizes
    )
    BertModel(config).save_pretrained("model")
    Path("model/vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast("model/vocab.txt", model_max_length=24).save_pretrained("model")
    with Path("rows.csv").open("w", newline="") as file:
        rows = [
            (f"the {animal} is {no}here", no or "yes") for animal in ("dog", "cat") for no in ("not ", "")
        ]
        csv.writer(file).writerows([("text", "label"), *rows * 6])


def main() -> None:
    """Every step in a temporary folder."""
    os.environ.pop("PYTHONPATH", None)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        from deepcuts.runtime import build, kernel

        import deepcuts

        home = Path(deepcuts.__file__).parent
        if not home.is_relative_to(sysconfig.get_path("purelib")):
            sys.exit(f"deepcuts comes from {home}")
        if deepcuts.__version__ != version("deepcuts") or not (home / "py.typed").is_file():
            sys.exit("the version is not that of the wheel, or the types are not in it")
        kernels = kernel.load()
        if not build.LIBRARY.is_relative_to(home):
            sys.exit(f"the kernel comes from {build.LIBRARY}")
        print("ok:", deepcuts.__version__, "in", home, "with kernels for", ", ".join(kernels))
        write_inputs()
        prune = ["prune", "--model", "model", *FILES, *TRAINING, "--density", "0.3"]
        command("--help", says="prune")
        command("strategies", says="LayerGradCAMShift")
        command(
            *prune, "--strategy", "LayerSmoothGrad", "--output", "run", "--dry-run", says="LayerSmoothGrad"
        )
        command(*prune, "--strategy", "LayerSmoothGrad", "--output", "run", says="pruned")
        command("evaluate", "run", says="accuracy")
        command("predict", "run", "the dog is here", "--runtime", "sparse", says="yes")
        command("export", "run", "--format", "packed", "--output", "run.packed", says="run.packed")
        os.chdir("/")


if __name__ == "__main__":
    main()
