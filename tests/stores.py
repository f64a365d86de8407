"""Stores of made-up cells: the format of real ones, masks and predictions drawn at random, no training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import ENVIRONMENT, describe

from deepcuts.common import tensor_file
from deepcuts.common.files import write_json
from deepcuts.common.store import stage_folder
from deepcuts.masks.bits import MaskBits, TensorBits
from deepcuts.runs import run_folder
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.data import DataConfig
from deepcuts.runs.grid.records import CELL, Failure, write_failure, write_grid
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import Split, Task, baseline, measure
from deepcuts.tasks.glue import GLUE

#: How good a strategy's masks are: higher is nearer to the dense model.
QUALITY = {"LayerMagWeight": 0.5, "LayerMagGrad": 0.9, "LayerGradCAMShift": 0.92, "Random": 0.05}


def shapes(layers: int = 2, width: int = 16) -> dict[str, tuple[int, ...]]:
    """The prunable tensors of a BERT of this size, without its pooler."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        stem = f"bert.encoder.layer.{layer}"
        parts = {f"attention.self.{name}": (width, width) for name in ("query", "key", "value")}
        parts |= {"attention.output.dense": (width, width)}
        parts |= {"intermediate.dense": (4 * width, width), "output.dense": (width, 4 * width)}
        for name, shape in parts.items():
            found[f"{stem}.{name}.weight"] = shape
            found[f"{stem}.{name}.bias"] = shape[:1]
    return found


def configure(
    task: str, strategy: str, density: float, seed: int, model: str = "minilm", **options: Any
) -> dict[str, Any]:
    """A cell's configuration, as ``config.json`` has it."""
    config = PruneConfig.make(
        GLUE[task],
        model=model,
        data=DataConfig(task=task),
        strategy=strategy,
        density=density,
        seed=seed,
        **options,
    )
    return config.model_dump(mode="json")


def key_of(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def targets_of(task: Task, rows: int) -> np.ndarray:
    generator = np.random.default_rng(7)
    if task.kind == "regression":
        return generator.integers(0, 26, rows) / 5
    return (generator.random(rows) < 0.69).astype(np.int64)


def write_cell(
    store: Path,
    config: Mapping[str, Any],
    *,
    rows: int = 60,
    tensors: Mapping[str, tuple[int, ...]] | None = None,
    collapsed: bool = False,
    predictions: bool = True,
    environment: Mapping[str, Any] | None = None,
) -> Path:
    """Write a cell that is done, with masks and predictions that agree with its result.

    Args:
        store: The store.
        config: Its configuration.
        rows: Dev rows.
        tensors: Name → shape of the prunable tensors.
        collapsed: Whether the retrained model is constant.
        predictions: Whether predictions are kept.
        environment: Changes to the environment.
    """
    task = GLUE[config["data"]["task"]]
    key = key_of(config)
    folder = stage_folder(store, CELL, key)
    targets = targets_of(task, rows)
    quality = QUALITY.get(config["strategy"], 0.7) * min(1.0, config["density"] / 0.2) ** 0.3
    said = {
        "dense": _predict(task, targets, 1.0, f"dense{config['seed']}"),
        "pruned": _predict(task, targets, quality / 3, f"pruned{key}"),
        "retrained": _predict(task, targets, 0.0 if collapsed else quality, key),
    }
    masks = make_masks(config, tensors or shapes())
    masks.save(folder / run_folder.MASKS)
    if predictions:
        content = {name: torch.from_numpy(values) for name, values in said.items()}
        content["targets"] = torch.tensor(targets.tolist())
        path = folder / run_folder.PREDICTIONS
        tensor_file.save(path, "predictions", content, {"dev": "d" * 64})
    write_json(folder / run_folder.CONFIG, dict(config))
    write_json(folder / run_folder.ENVIRONMENT, {**ENVIRONMENT, **(environment or {})})
    split = Split((("text",),) * rows, tuple(targets.tolist()))
    measures = {name: measure(task, values, targets) for name, values in said.items()}
    result = {**describe(config, task, masks, rows), "baseline": baseline(task, split, split), **measures}
    result["best_epoch"] = {"finetune": 2, "retrain": 3}
    result["last_epoch"] = {"finetune": measures["dense"], "retrain": measures["retrained"]}
    result["notes"] = []
    last = {"finetune": None, "retrain": None}
    result["constant"] = {"dense": None, "pruned": None, "retrained": None, "last_epoch": last}
    result["plateau"] = {"fine-tune": None, "retrain": None}
    result["seconds"] = {
        "finetune": 100.5, "score": 30.25, "score_shared_by": 4, "retrain": 80.75,
        "cut": 0.5, "evaluate": 2.5, "rewind": 0.25, "save": 0.5,
    }  # fmt: skip
    steps = ["finetune", "score", "cut", "rewind", "retrain"]
    result["environments"] = [{"steps": steps, "environment": {**ENVIRONMENT, **(environment or {})}}]
    write_json(folder / run_folder.RESULT, result)
    return folder


def make_masks(config: Mapping[str, Any], tensors: Mapping[str, tuple[int, ...]]) -> MaskBits:
    """Masks of exactly the asked share of each tensor; those of like strategies are alike."""
    strategy = Strategy.parse(config["strategy"])
    common = np.random.default_rng([sum(map(ord, config["data"]["task"])), config["seed"]])
    own = np.random.default_rng([sum(map(ord, strategy.score)), config["seed"]])
    found = {}
    for name, shape in tensors.items():
        alike = common.random(shape, np.float32)
        noise = own.random(shape, np.float32)
        part = 1.0 if strategy.criterion in ("Random", "MagWeight") else 1 / (1 + config["shift"])
        scores = ((1 - part) * alike + part * noise).ravel()
        kept = max(1, round(config["density"] * scores.size))
        mask = np.zeros(scores.size, dtype=bool)
        mask[np.argpartition(-scores, kept - 1)[:kept]] = True
        found[name] = TensorBits(shape, np.packbits(mask))
    return MaskBits(found, {"scores": {"batches": 8}})


def write_store(
    store: Path, configs: Iterable[Mapping[str, Any]], grid: str | None = None, **options: Any
) -> Path:
    """Write a store whose cells are all done, and the file of a grid if it is named."""
    configs = list(configs)
    for config in configs:
        write_cell(store, config, **options)
    if grid is not None:
        write_grid(store, grid, [(key_of(config), config) for config in configs])
    return store


def small_store(store: Path) -> Path:
    """Two tasks, three strategies and a control, three densities, two seeds, a study of λ; the grid "small".

    One cell failed, one is missing, one retraining collapsed, one kept no predictions, and one was made by
    a changed checkout.
    """
    configs = [
        configure(task, strategy, density, seed)
        for task in ("cola", "stsb")
        for strategy in QUALITY
        for density in (0.05, 0.147, 0.36)
        for seed in (0, 1)
    ]
    configs += [
        configure("stsb", "LayerGradCAMShift", 0.147, seed, shift=shift)
        for shift in (0.0, 1.0, 100.0)
        for seed in (0, 1)
    ]
    configs.append(configure("stsb", "LayerMagGrad", 0.147, 0, rewind="finetuned"))
    odd = dict(
        zip(
            ("failed", "missing", "collapsed", "silent", "dirty", "never"),
            (configs[0], configs[3], configs[18], configs[8], configs[9], configs[24]),
            strict=True,
        )
    )
    for config in configs:
        if config is odd["failed"]:
            write_failure(
                store, key_of(config), Failure("ValueError: the loss became <NaN> & stayed so", "where")
            )
        elif config is not odd["missing"]:
            write_cell(
                store,
                config,
                collapsed=config is odd["collapsed"],
                predictions=config is not odd["silent"],
                environment={"dirty": config is odd["dirty"]},
            )
    write_grid(store, "small", [(key_of(config), config) for config in configs])
    return store


def _predict(task: Task, targets: np.ndarray, quality: float, salt: str) -> np.ndarray:
    """``(rows, outputs)`` that follow the targets as well as `quality` says; 0 is constant."""
    generator = np.random.default_rng(int(hashlib.sha256(salt.encode()).hexdigest()[:8], 16))
    noise = generator.normal(size=len(targets))
    if task.kind == "regression":
        wanted = 2.5 + quality * (targets - 2.5 + 0.4 * noise) + (quality > 0) * 0.5 * noise
        return np.clip(wanted, 0, 5).astype(np.float32)[:, None]
    lean = 0.8 + quality * (2 * targets - 1 + 0.6 * noise) + (quality > 0) * 0.4 * noise - 0.6 * (quality > 0)
    return np.stack([-lean, lean], axis=1).astype(np.float32)
