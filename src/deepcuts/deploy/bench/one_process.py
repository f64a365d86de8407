"""``python -m deepcuts.deploy.bench.one_process REQUEST``: see `measure_memory` in the file `memory`."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path

import numpy as np

from deepcuts.deploy.bench.memory import of_this_process
from deepcuts.deploy.bench.ways import Setting, Way, way_named


def main() -> None:
    """Load and run, then print what this process took as one line of JSON."""
    request = json.loads(sys.argv[1])
    setting = Setting(**request["setting"])
    with np.load(request["inputs"]) as file:
        batch = {name: file[name] for name in file.files}
    way, folder = way_named(request["way"]), Path(request["folder"])
    _import_libraries(way, folder)
    libraries, _ = of_this_process()
    run = way.load(folder, setting)
    run(batch)
    resident, peak = of_this_process()
    device = None
    if setting.device == "cuda":
        import torch

        device = torch.cuda.max_memory_reserved()
    print(json.dumps({"resident": resident, "libraries": libraries, "peak": peak, "device": device}))


def _import_libraries(way: Way, folder: Path) -> None:
    """Import what the model does not bring itself, that of its architecture included."""
    for name in way.libraries:
        importlib.import_module(name)
    if "transformers" in way.libraries:  # which imports an architecture only when it is asked for
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"].replace(
            "-", "_"
        )
        with contextlib.suppress(ImportError):  # code that came with the model
            importlib.import_module(f"transformers.models.{kind}.modeling_{kind}")


if __name__ == "__main__":
    main()
