from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import torch

import deepcuts
from deepcuts.common.environment import environment


def test_the_environment_names_versions_commit_and_machine() -> None:
    found = json.loads(json.dumps(environment()))
    assert found["deepcuts"] == deepcuts.__version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == torch.__version__
    assert found["packages"]["transformers"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and Path(deepcuts.__file__).is_relative_to(root):
        assert found["commit"] == done.stdout.strip()
        assert found["dirty"] in (True, False)
