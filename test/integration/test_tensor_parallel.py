"""Two ranks decide alike: else their collectives hang."""

import json
import random

import pytest

from integration.conftest import SMALL, STRICT
from integration.test_abort import wait_until_idle
from integration.test_scheduling import Race
from support.server import running_server

pytestmark = pytest.mark.integration

CONFIG = """
[rotation]
slice_ms = 20
max_wait_ms = 500
force_every = 3

[observe]
decisions = "{folder}"
"""


@pytest.fixture(scope="module")
def decisions(tmp_path_factory):
    return tmp_path_factory.mktemp("decisions")


@pytest.fixture(scope="module")
def two_ranks(tiny_model, decisions, tmp_path_factory):
    """Two ranks on this machine, and room for 1024 tokens of KV."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "config.toml").write_text(CONFIG.format(folder=decisions))
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL, "--tp-size", "2"]
    args[args.index("--max-total-tokens") + 1] = "1024"
    env = STRICT | {"SGLANG_CPU_OMP_THREADS_BIND": "0|1"}  # a core for each rank
    with running_server(folder / "server.log", *args, "--chunked-prefill-size", "64", env=env) as server:
        yield server


def test_two_ranks_decide_alike_under_mixed_load(two_ranks, decisions):
    race, dice = Race(two_ranks), random.Random(5)
    for index in range(16):
        slo = dice.choice(["batch", "standard", {"class": "interactive", "ttft_ms": 300, "tpot_ms": 20}])
        race.send(f"{index}", dice.choice([5, 60, 200]), dice.choice([5, 40, 120]), slo)
        if index % 5 == 4:
            race.wait_until_running(f"{index - 4}")
    race.finish()
    wait_until_idle(race.client)
    first, second = ((decisions / f"rank{rank}.jsonl").read_text().splitlines() for rank in range(2))
    passes = [json.loads(line) for line in first]
    assert sum(len(one["park"]) for one in passes) >= 10
    assert sum(len(one["evicted"]) for one in passes) >= 10
    assert {len(one["admit"]) for one in passes} > {0, 1}
    assert first == second
