"""The kernels' headers under AddressSanitizer and UndefinedBehaviorSanitizer, without Python or torch."""

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from superinfer import kernels
from superinfer.kernels import build, sources

pytestmark = pytest.mark.kernel

DRIVER = Path(__file__).parent / "sanitize" / "driver.cc"
FLAGS = ("-std=c++17", "-O1", "-g1", "-w", "-fopenmp", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
ROUNDS = 300


# Between them these contain every line: AVX2 shares its partial loads and stores with the portable code.
@pytest.mark.parametrize("isa", ["amx", "avx512", "avx2", "portable"])
def test_random_shapes_run_clean(isa: str, programs: Mapping[str, Path]):
    if isa not in programs:
        pytest.skip(f"this CPU has no {isa}, or one that is wider")
    done = _run([programs[isa], isa, str(ROUNDS)], os.environ | {"OMP_NUM_THREADS": "2"})
    assert done == f"{isa}: {ROUNDS} rounds\n"


@pytest.fixture(scope="module")
def programs() -> dict[str, Path]:
    """Of the widest instruction set with kernels of its own, and AMX in the same one, and of the narrowest.

    Compiling takes minutes, so they are kept beside the compiled kernels, for as long as no source changes.
    """
    have = kernels.supported_isas()
    amx = have[0] == "amx"
    wanted = {have[amx]: amx, "portable": False}
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(wanted, pool.map(_program, wanted, wanted.values()), strict=True))
    return found | ({"amx": found[have[amx]]} if amx else {})


def _program(isa: str, amx: bool) -> Path:
    """The compiled driver for ``isa``, and for AMX too."""
    compiler, root = build.find_compiler(), sources.kernels_dir()
    own = (*sources.ISA_FLAGS[isa], f"-I{root / 'include'}")
    units = [(DRIVER, (*own, f"-DSUPERINFER_ISA={isa}", *(["-DDRIVE_AMX"] if amx else [])))]
    if amx:
        units.append((root / "csrc" / "amx.cc", (*own, "-DSUPERINFER_ISA=amx")))
    recipe = hashlib.sha256(repr((build.cache_key(root, compiler), FLAGS, units)).encode() + DRIVER.read_bytes())
    target = build.cache_dir() / "sanitized" / recipe.hexdigest()[:16]
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent) as scratch:
            objects = [_compile(compiler, source, flags, Path(scratch)) for source, flags in units]
            _run([compiler, *FLAGS, *objects, "-o", f"{scratch}/driver"])
            Path(scratch, "driver").replace(target)
    return target


def _compile(compiler: str, source: Path, flags: Sequence[str], into: Path) -> Path:
    target = into / f"{source.stem}.o"
    _run([compiler, *FLAGS, *flags, "-c", source, "-o", target])
    return target


def _run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
