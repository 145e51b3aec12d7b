"""The kernels' headers under AddressSanitizer and UndefinedBehaviorSanitizer, without Python or torch."""

import os
import subprocess
from pathlib import Path

import pytest

from superinfer import kernels
from superinfer.kernels import build, sources

pytestmark = pytest.mark.kernel

DRIVER = Path(__file__).parent / "sanitize" / "driver.cc"
FLAGS = ("-std=c++17", "-O1", "-g1", "-w", "-fopenmp", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
ROUNDS = 300


# Between them these two contain every line: AVX2 shares its partial loads and stores with the portable code.
@pytest.mark.parametrize("which", ["widest", "portable"])
def test_random_shapes_run_clean(which: str, tmp_path: Path):
    isa = kernels.supported_isas()[0] if which == "widest" else which
    program = tmp_path / "driver"
    include = sources.kernels_dir() / "include"
    isa_flags = (f"-DSUPERINFER_ISA={isa}", *sources.ISA_FLAGS[isa])
    command = [build.find_compiler(), *FLAGS, *isa_flags, f"-I{include}", str(DRIVER), "-o", str(program)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr[-2000:]
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([program, str(ROUNDS)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{isa}: {ROUNDS} rounds\n"
