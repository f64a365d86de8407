"""Builds the kernel of `deepcuts.runtime` when the package is installed, if there is a C++ compiler."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the kernel beside its sources; without a compiler, the package is installed without it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the files are collected.

        Args:
            version: ``"standard"`` or ``"editable"``; both find the library in the source tree.
            build_data: What hatchling is told of the library.
        """
        path = Path(self.root, "src/deepcuts/deploy/runtime/build.py")
        spec = importlib.util.spec_from_file_location("deepcuts_runtime_build", path)
        assert spec is not None
        assert spec.loader is not None
        build = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(build)
        try:
            library = build.build()
        except build.BuildError as error:
            build.LIBRARY.unlink(missing_ok=True)  # one left from another build must not be packed
            self.app.display_warning(f"deepcuts.runtime will use PyTorch's sparse product: {error}")
            return
        build_data["artifacts"].append(f"/{library.relative_to(self.root).as_posix()}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(platform_tags())}"  # it is not tied to a version of Python
