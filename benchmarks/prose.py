"""The words of the page on performance that are the same whatever was measured."""

from __future__ import annotations

from benchmarks.agreement import DENSITY
from benchmarks.cutting import PARTITION
from benchmarks.growth import ROWS, TOKENS

OPENING = """# Performance

This page is written by `benchmarks/page.py` from what `make bench` measured; no number in its
tables was typed.

**The floor.** A score that reads a gradient needs, for every batch, one forward and one backward pass: no
formula of this project can be computed with less. With η noisy passes a batch, smoothing needs η of them. So
the cost of scoring is given as a ratio to exactly that, a bare pass of the same model on the same batch, with
1 as the least. (η stacked copies on a GPU can be below it: one large batch is cheaper than many small ones;
and so can bf16 and compiled passes be, since the bare one is neither.)

**How it is measured.** Everything is measured beside what it is compared with in one run, turn by turn, so
that a machine that slows down slows both. A ratio is the median over the turns; in brackets are the least and
the greatest. Models are BERT-base, randomly initialised, and one of MiniLM-L6's shape; batches have 16 rows
and no padding, unless it says otherwise. Times depend on the machine, ratios less so."""

#: Part of the benchmark → its title, and what its table says.
PARTS = {
    "scoring": (
        "Scoring",
        "A batch scored / a bare forward and backward pass. “As the equations read” is the plain "
        "implementation in `benchmarks/plain.py`: a pass for the activations, another one for the gradient, "
        "and weights and gradients copied to the host for every batch; the project's scores are tested "
        "against it. SmoothGrad's ratio is divided by its noisy passes: each should cost one bare pass.",
    ),
    "agreement": (
        "bf16 and torch.compile",
        'Passes in bf16 (`ScoringOptions(precision="bf16")`, `--score-precision bf16`) and compiled ones '
        "(`compile=True`, `--score-compile`), for MagGrad, GradCAM and GradCAMShift in one sweep. The masks "
        f"keep {DENSITY:.1%} of every tensor. Overlap is the share of the weights kept by either mask, that "
        "of float32 or the other, which both keep; 1 means equal masks. Time is that of a batch / a bare "
        "pass in float32. Noisy passes are never compiled; compiled gradients come all at once, so that they "
        "need a gradient buffer, which uncompiled scoring does without.",
    ),
    "memory": (
        "Memory",
        "Peaks, each of a process of its own: resident memory, or what the GPU's allocator gave. (Of glibc, "
        "blocks above 1 MiB are taken from the system one by one, for else it keeps freed ones.) A bare pass "
        "holds the model, one batch's activations, and gradients, which appear as activations go; one that "
        "adds to the gradients of one before holds all of both at once, as a smoothing pass must. Scores are "
        "summed in 4 bytes a prunable weight and score; gradients are read and freed as they appear, so that "
        "scoring can be below a bare pass plus its sums.",
    ),
    "cutting": (
        "Cutting",
        f"The choice of exactly k among the 85.6 million scores of BERT-base, beside one `{PARTITION}` of "
        "the same values. What takes seconds was done once.",
    ),
    "training": (
        "Training under masks",
        "Forward, backward and an AdamW step / the same without masks. To mask the gradients alone is the "
        "least that masking could cost, but it doesn't hold a mask: weight decay and moments move weights.",
    ),
    "job": (
        "The whole job",
        "`deepcuts prune` on MiniLM, loading included. A criterion's formula runs within the backward pass "
        "and counts as that; the table of scoring says how much it is.",
    ),
    "growth": (
        "Growth",
        f"Sweeps of MagGrad and GradCAMShift over small batches ({ROWS} rows of {TOKENS} tokens) of MiniLM's "
        "shape with more and more layers, and with two layers over more and more batches. The line goes "
        "through the first and the last point.",
    ),
}
