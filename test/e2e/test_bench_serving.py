"""SGLang's own load generator, unchanged, sending SLOs through its options."""

import json
import subprocess
import sys

import httpx
import pytest

pytestmark = pytest.mark.e2e


def test_bench_serving_runs_and_is_counted(base_url, model_path, tmp_path):
    def interactive():
        (scheduler,) = httpx.get(f"{base_url}/superinfer/state", timeout=30).json()["schedulers"]
        return sum(scheduler["outcomes"].get("interactive", {}).values())

    before = interactive()
    result = tmp_path / "result.jsonl"
    command = [sys.executable, "-m", "sglang.benchmark.serving", "--backend", "sglang", "--base-url", base_url]
    command += ["--model", str(model_path), "--dataset-name", "random-ids", "--num-prompts", "6"]
    command += ["--random-input-len", "32", "--random-output-len", "8", "--random-range-ratio", "1.0"]
    command += ["--header", "x-llm-d-slo-ttft-ms=60000", "x-smg-priority=interactive"]
    command += ["--output-file", str(result), "--warmup-requests", "0", "--seed", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(result.read_text().splitlines()[-1])["completed"] == 6
    assert interactive() == before + 6
