"""Compile the kernels once for this machine, into the user's cache."""

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import tvm_ffi
from tvm_ffi import libinfo

from superinfer.kernels.errors import KernelsUnavailable
from superinfer.kernels.sources import COMMON_FLAGS, Unit, all_files, kernels_dir, units

logger = logging.getLogger(__name__)

# No -lgomp: its functions come from the copy that torch has loaded, see openmp.py.
LINK_FLAGS = ("-shared", "-Wl,-z,now")
COMPILE_TIMEOUT_S = 600


def library_path() -> Path:
    """The compiled library; compiles it if this version of it is not in the cache yet.

    Raises:
        KernelsUnavailable: No sources, no compiler, or it fails.
    """
    root = kernels_dir()
    compiler = find_compiler()
    path = cache_dir() / cache_key(root, compiler) / "superinfer_kernels.so"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock"), timeout=COMPILE_TIMEOUT_S):
            if not path.exists():
                _build(root, compiler, path)
    except (OSError, filelock.Timeout) as error:
        raise KernelsUnavailable(f"cannot write the compiled kernels to {path}: {error}") from error
    return path


def cache_dir() -> Path:
    """Where compiled kernels are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "superinfer" / "kernels"


def find_compiler() -> str:
    """Path of a GCC: ``$CXX``, else ``g++``, else ``c++``.

    Raises:
        KernelsUnavailable: There is none, or it is Clang, whose OpenMP runtime would be a second thread pool.
    """
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "c++"]
    path = next(filter(None, map(shutil.which, wanted)), None)
    if path is None:
        raise KernelsUnavailable(f"no C++ compiler: {' or '.join(wanted)} not found (install g++, or set CXX)")
    if "clang" in _version(path):
        raise KernelsUnavailable(f"{path} is Clang: the kernels share torch's OpenMP runtime, which needs GCC")
    return path


def cache_key(root: Path, compiler: str) -> str:
    """Changes with everything that the compiled library depends on."""
    digest = hashlib.sha256()
    for path in all_files(root):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    recipe = [(unit.name, unit.flags) for unit in units(root)]
    digest.update(repr((recipe, COMMON_FLAGS, LINK_FLAGS, _version(compiler), tvm_ffi.__version__)).encode())
    return f"{platform.machine()}-{digest.hexdigest()[:16]}"


def _build(root: Path, compiler: str, target: Path) -> None:
    started = time.monotonic()
    logger.warning("Compiling the CPU kernels into %s: once, about half a minute", target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        objects = _compile_all(compiler, root, Path(scratch))
        library = Path(scratch) / target.name
        tvm_library = Path(libinfo.find_libtvm_ffi())
        _run([compiler, *LINK_FLAGS, *map(str, objects), str(tvm_library), "-o", str(library)])
        library.replace(target)
    logger.info("Compiled the CPU kernels in %.0f s", time.monotonic() - started)


def _compile_all(compiler: str, root: Path, scratch: Path) -> list[Path]:
    includes = (str(root / "include"), libinfo.find_include_path(), libinfo.find_dlpack_include_path())
    include_flags = tuple(f"-I{path}" for path in includes)

    def compile_unit(unit: Unit) -> Path:
        target = scratch / f"{unit.name}.o"
        _run([compiler, *COMMON_FLAGS, *unit.flags, *include_flags, "-c", str(unit.source), "-o", str(target)])
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_unit, units(root)))


def _run(command: Sequence[str]) -> str:
    """Output of a compiler run.

    Raises:
        KernelsUnavailable: It cannot be run or fails; with the end of what it printed.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelsUnavailable(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        raise KernelsUnavailable(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _version(compiler: str) -> str:
    return _run([compiler, "--version"])
