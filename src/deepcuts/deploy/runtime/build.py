"""Build the compiled kernel: ``python -m deepcuts.deploy.runtime.build``, or at an install.

This file is also run by the build hook of the package, before anything is installed: it needs the standard
library alone and imports nothing of deepcuts.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
#: Where the library is built to, and looked for.
LIBRARY = Path(__file__).parent / "_kernel.so"

_COMMON = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-pthread"]
# Each instruction set's kernel is a translation unit with flags of its own; the library chooses at run time.
_AVX512 = ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
_INSTRUCTION_SETS = {
    "avx512bf16": [*_AVX512, "-mavx512bf16"],
    "avx512": _AVX512,
    "avx2": ["-mavx2", "-mfma"],
}
_PORTABLE = "portable"


class BuildError(Exception):
    """The kernel could not be built; the message says why."""


def sources_digest() -> str:
    """A digest of the kernel's sources, which the library repeats: one built from others is not used."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        if path.suffix in {".cpp", ".h"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def compiler() -> list[str]:
    """The command of the C++ compiler: ``CXX`` where it is set, else c++, g++ or clang++.

    Raises:
        BuildError: There is none.
    """
    named = os.environ.get("CXX")
    for command in [shlex.split(named)] if named else [["c++"], ["g++"], ["clang++"]]:
        if command and shutil.which(command[0]):
            return command
    raise BuildError(f"no C++ compiler found ({f'CXX is {named!r}' if named else 'c++, g++ or clang++'})")


def build(target: Path = LIBRARY, extra: tuple[str, ...] = ()) -> Path:
    """Compile the kernel into a shared library.

    An instruction set that the compiler does not know is left out; the portable kernel is always there.

    Args:
        target: The library; replaced at once when it is complete.
        extra: Further flags for every step.

    Returns:
        The target.

    Raises:
        BuildError: There is no compiler, or it fails, or the library can't be written.
    """
    try:
        return _build(target, extra)
    except OSError as error:
        raise BuildError(f"{target} can't be written: {error}") from None


def _build(target: Path, extra: tuple[str, ...]) -> Path:
    command = compiler()
    on_x86 = platform.machine().lower() in {"x86_64", "amd64"}
    with tempfile.TemporaryDirectory() as folder:

        def compiled(name: str) -> Path | None:
            made = Path(folder) / f"kernel_{name}.o"
            flags = [*_INSTRUCTION_SETS.get(name, []), f"-DDEEPCUTS_SET={name}", *extra]
            try:
                _run([*command, *_COMMON, *flags, "-c", str(SOURCES / "kernel.cpp"), "-o", str(made)])
            except BuildError:
                if name == _PORTABLE:
                    raise
                return None
            return made

        names = [*(_INSTRUCTION_SETS if on_x86 else []), _PORTABLE]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = {
                name: made for name, made in zip(names, pool.map(compiled, names), strict=True) if made
            }
        library = Path(folder) / "kernel.so"
        defines = [f"-DDEEPCUTS_HAS_{name}" for name in objects]
        defines.append(f'-DDEEPCUTS_SOURCES="{sources_digest()}"')
        inputs = [str(SOURCES / "dispatch.cpp"), *map(str, objects.values())]
        _run([*command, *_COMMON, *defines, *extra, "-shared", *inputs, "-o", str(library)])
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copyfile(library, beside)
        beside.replace(target)
    return target


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{command[0]} does not run: {error}") from None
    if done.returncode != 0:
        raise BuildError(f"{command[0]} failed:\n{done.stderr[-2000:]}")


def main() -> int:
    """Build the library where the package looks for it; the command line's entry."""
    try:
        print(f"built {build()}")
    except BuildError as error:
        print(f"not built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
