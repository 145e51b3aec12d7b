"""Compiling, caching, and loading the kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from superinfer import kernels
from superinfer.kernels import build, openmp, sources
from superinfer.kernels.errors import KernelsUnavailable

pytestmark = pytest.mark.kernel


def test_only_one_openmp_runtime_is_mapped():
    program = (
        "import torch; from superinfer import kernels; from superinfer.kernels import openmp;"
        "x = torch.ones(4000, 64); kernels.silu_and_mul(x, torch.empty(4000, 32)); x @ x.T;"
        "print(len(openmp.mapped_runtimes()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_the_runtime_is_torchs():
    assert "torch" in str(openmp.share_runtime())


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match=r"instruction set 'sse9': this CPU supports .*portable"):
        kernels.use_isa("sse9")


def test_the_environment_chooses_the_instruction_set():
    program = "from superinfer import kernels; print(kernels.current_isa())"
    environment = {"SUPERINFER_ISA": "portable"}
    assert _run(program, environment) == "portable"


def test_without_a_compiler_the_reason_is_told():
    program = (
        "from superinfer import kernels\n"
        "print(kernels.available(), '|', kernels.unavailable_reason())\n"
        "try: kernels.rms_norm(None, None, 0.0, None)\n"
        "except kernels.KernelsUnavailable as error: print(error)"
    )
    lines = _run(program, {"CXX": "no-such-compiler"}).splitlines()
    assert lines[0] == "False | no C++ compiler: no-such-compiler not found (install g++, or set CXX)"
    assert lines[1].startswith("no C++ compiler")


def test_a_compiler_that_fails_is_quoted(tmp_path: Path):
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo 9; else echo out of disk >&2; exit 1; fi\n')
    compiler.chmod(0o755)
    program = "from superinfer import kernels; print(kernels.unavailable_reason())"
    reason = _run(program, {"CXX": str(compiler), "XDG_CACHE_HOME": str(tmp_path)})
    assert "out of disk" in reason
    assert not list(tmp_path.rglob("*.so"))


def test_the_cache_key_changes_with_the_sources(tmp_path: Path):
    compiler = build.find_compiler()
    root = sources.kernels_dir()
    for part in ("include", "csrc"):
        for path in (root / part).rglob("*"):
            if path.is_file():
                copy = tmp_path / path.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    before = build.cache_key(tmp_path, compiler)
    assert before == build.cache_key(root, compiler)
    (tmp_path / "csrc" / "dispatch.cc").write_text("changed")
    assert build.cache_key(tmp_path, compiler) != before


def test_clang_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho Debian clang version 14\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(KernelsUnavailable, match="is Clang"):
        build.find_compiler()


def _run(program: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return done.stdout.strip()
