"""How fast pruned models run: PyTorch dense in float32 and bfloat16 beside sparse in float32 and bfloat16.

    python benchmarks/runtime.py                       # BERT-base, random masks of four densities
    python benchmarks/runtime.py --quick               # one shape, one thread, few turns
    python benchmarks/runtime.py --masks run/masks.safetensors another/masks.safetensors

All four run in turns, so that whatever else the machine does disturbs all; printed are medians, with the
quarters of the sorted times as spread. On a busy machine, ``--clock cpu`` counts the time that the calling
thread had a processor, which means something for one thread only. Speed does not depend on the values of the
weights, so they are random.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig

from deepcuts.masking import apply_masks
from deepcuts.masks import Masks
from deepcuts.prunable import prunable_parameters
from deepcuts.runtime import SparseLinear, kernel, sparsify

DENSITIES = [0.36, 0.15, 0.086, 0.041]
SHAPES = [(1, 32), (1, 128), (16, 32), (16, 128)]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.thread_time}


def processor() -> dict[str, Any]:
    """What the numbers were measured on."""
    found: dict[str, Any] = {
        "machine": platform.machine(),
        "load": list(Path("/proc/loadavg").read_text().split()[:3]),
    }
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            found["model"] = value.strip()
        if name.strip() == "flags":
            found["flags"] = [flag for flag in value.split() if flag.startswith(("avx", "fma", "amx"))]
    return found


def cuts(
    dense: nn.Module, densities: list[float], mask_files: list[Path]
) -> Iterator[tuple[str, float, nn.Module]]:
    """Pruned copies of a model, each with a name and the density of its prunable weights."""
    for path in mask_files:
        masks = Masks.load(path)
        model = copy.deepcopy(dense)
        apply_masks(model, masks)
        yield str(path), masks.density, model
    for density in [] if mask_files else densities:
        generator = torch.Generator().manual_seed(0)
        model = copy.deepcopy(dense)
        for parameter in prunable_parameters(model).values():
            if parameter.dim() == 2:
                parameter.data *= torch.rand(parameter.shape, generator=generator) < density
        yield "random", density, model


def measure(
    models: dict[str, nn.Module], tokens: Tensor, turns: int, clock: Callable[[], float]
) -> dict[str, dict[str, float]]:
    """Milliseconds of a forward pass of each model: median and quarters."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(turns + 1):
        for name, model in models.items():
            start = clock()
            model(tokens)
            if turn > 0:  # the first is for warming up
                times[name].append(1e3 * (clock() - start))
    found = {}
    for name, taken in times.items():
        low, _, high = statistics.quantiles(taken, n=4)
        found[name] = {"median": statistics.median(taken), "low": low, "high": high}
    return found


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="name or folder of a configuration; default: BERT-base")
    parser.add_argument("--densities", type=float, nargs="+", default=DENSITIES)
    parser.add_argument(
        "--masks", type=Path, nargs="+", default=[], help="mask files of runs, instead of random ones"
    )
    parser.add_argument("--shapes", nargs="+", default=[f"{batch}x{length}" for batch, length in SHAPES])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument(
        "--measured-break-even", action="store_true", help="let dense layers stay where they win"
    )
    parser.add_argument("--quick", action="store_true", help="1x128, one thread, five turns")
    parser.add_argument("--output", type=Path, default=Path("runtime.json"))
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.shapes, arguments.threads, arguments.turns = ["1x128"], [1], 5
    config = AutoConfig.from_pretrained(arguments.model) if arguments.model else BertConfig()
    torch.manual_seed(0)
    dense = AutoModelForSequenceClassification.from_config(config).eval().requires_grad_(False)
    limit = None if arguments.measured_break_even else 1.0
    run = kernel.chosen()
    facts = {
        "processor": processor(),
        "kernel": run.name if run else kernel.FALLBACK,
        "torch": torch.__version__,
        "clock": arguments.clock,
        "turns": arguments.turns,
    }
    print(json.dumps(facts))
    print("median ms (low and high quarter); × is against torch float32 in the same run\n")
    results = []
    for name, density, model in cuts(dense, arguments.densities, arguments.masks):
        models = {
            "torch float32": model,
            "torch bfloat16": copy.deepcopy(model).to(torch.bfloat16),
            "sparse float32": sparsify(model, dense_above=limit),
            "sparse bfloat16": sparsify(model, dense_above=limit, precision="bfloat16"),
        }
        layers = sum(isinstance(one, SparseLinear) for one in models["sparse float32"].modules())
        print(f"masks {name}, density {density:.3f}, {layers} sparse layers")
        for shape in arguments.shapes:
            batch, length = map(int, shape.split("x"))
            tokens = torch.randint(5, config.vocab_size, (batch, length))
            for threads in arguments.threads:
                torch.set_num_threads(threads)
                with torch.inference_mode():
                    found = measure(models, tokens, arguments.turns, CLOCKS[arguments.clock])
                base = found["torch float32"]["median"]
                print(f"  {shape}, {threads} threads")
                for which, one in found.items():
                    ratio = base / one["median"]
                    spread = f"({one['low']:.1f} to {one['high']:.1f})"
                    print(f"    {which:16} {one['median']:8.1f} {spread:20} {ratio:6.2f}×", flush=True)
                results.append(
                    {"masks": name, "density": density, "shape": shape, "threads": threads, "ms": found}
                )
                arguments.output.write_text(json.dumps({**facts, "results": results}, indent=1))


if __name__ == "__main__":
    main()
