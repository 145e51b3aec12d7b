"""The kernels' headers under AddressSanitizer and UndefinedBehaviorSanitizer, without Python or torch."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from superinfer import kernels
from superinfer.kernels import build, sources

pytestmark = pytest.mark.kernel

DRIVER = Path(__file__).parent / "sanitize" / "driver.cc"
FLAGS = ("-std=c++17", "-O1", "-g1", "-w", "-fopenmp", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
ROUNDS = 300


# Between them these contain every line: AVX2 shares its partial loads and stores with the portable code.
@pytest.mark.parametrize("isa", ["amx", "avx512", "avx2", "portable"])
def test_random_shapes_run_clean(isa: str, tmp_path: Path):
    if isa not in _driven():
        pytest.skip(f"this CPU has no {isa}, or one that is wider")
    program = tmp_path / "driver"
    objects = _compile(DRIVER, isa, tmp_path)
    if isa == "amx":
        objects += _compile(sources.kernels_dir() / "csrc" / "amx.cc", isa, tmp_path)
    _run([build.find_compiler(), *FLAGS, *objects, "-o", str(program)])
    done = _run([program, str(ROUNDS)], os.environ | {"OMP_NUM_THREADS": "2"})
    assert done == f"{isa}: {ROUNDS} rounds\n"


def _driven() -> list[str]:
    """The widest instruction set with kernels of its own, AMX beside it, and the narrowest."""
    have = kernels.supported_isas()
    return [*have[: 2 if have[0] == "amx" else 1], "portable"]


def _compile(source: Path, isa: str, into: Path) -> list[str]:
    target = into / f"{source.stem}.o"
    of_driver = ("-DSUPERINFER_ISA=avx512", "-DDRIVE_AMX") if isa == "amx" else (f"-DSUPERINFER_ISA={isa}",)
    names = of_driver if source == DRIVER else ("-DSUPERINFER_ISA=amx",)
    flags = sources.ISA_FLAGS["avx512" if isa == "amx" else isa]
    include = sources.kernels_dir() / "include"
    _run([build.find_compiler(), *FLAGS, *names, *flags, f"-I{include}", "-c", str(source), "-o", str(target)])
    return [str(target)]


def _run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
