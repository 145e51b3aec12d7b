"""A server with KV in several formats and a host tier: sealed pages go there and come back, and copies may fail."""

import os
from pathlib import Path

import pytest

import support
from integration.conftest import STRICT
from integration.kv.test_kv_server import ARGUMENTS, POISONED, ask
from integration.test_abort import scheduler_state, wait_until_idle
from support.server import refusal, running_server

pytestmark = pytest.mark.integration

BUDGET = ["--kv-budget", "1536k", "--kv-regions", "native:0.7,int8:0.1,int4:0.2", "--kv-seal", "full"]
LRU = '[cache]\neviction = "lru"\n\n[host]\nkv_bytes = "4m"\n'
SETTINGS = {"back": LRU + 'write = "back"\n', "through": LRU}


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    file = tmp_path_factory.mktemp("faults") / "faults"
    file.write_text("")
    return file


@pytest.fixture(scope="module", params=SETTINGS)
def server(request, tiny_model, faults):
    """Memory for 1,500 native tokens and 6,200 in 4 bits, and a host for more."""
    folder = faults.parent
    (folder / "config.toml").write_text(SETTINGS[request.param])
    args = ["--model-path", str(tiny_model), *ARGUMENTS, *BUDGET, "--enable-metrics"]
    args += ["--slo-classes", str(folder / "config.toml")]
    path = os.pathsep.join([str(Path(support.__path__[0]).parent), os.environ.get("PYTHONPATH", "")])
    env = {**STRICT, **POISONED, "FAULTS": str(faults), "PYTHONPATH": path}
    with running_server(folder / f"{request.param}.log", *args, env=env, module="support.faulty_server") as server:
        yield server


@pytest.fixture
def client(server, faults):
    with server.client() as client:
        wait_until_idle(client)
        assert client.post("/flush_cache").status_code == 200
        yield client
        faults.write_text("")
        wait_until_idle(client)
    assert server.alive()


def host(client):
    return scheduler_state(client)["host"]


def push_out(client, cls):
    """Fill the memory of a class with other things, until nothing of before is on the device."""
    for seed in range(20, 20 + (7 if cls == "interactive" else 20)):
        ask(client, cls, prompt_tokens=390, new_tokens=2, seed=seed)


def from_host(answer):
    return answer["meta_info"]["cached_tokens_details"]["host"]


def test_sealed_pages_go_there_and_come_back_as_they_were(client):
    ask(client, "batch", seed=5)
    want = ask(client, "batch", seed=5)["output_ids"]  # both times from here on, the prompt is read sealed
    push_out(client, "batch")
    formats = host(client)["formats"]
    assert formats["int4"]["pages"] > 6
    assert formats["native"]["pages"] == 0
    assert host(client)["used_bytes"] == sum(fmt["bytes"] for fmt in formats.values())
    again = ask(client, "batch", seed=5)
    assert from_host(again) >= 160
    assert again["output_ids"] == want


def test_who_accepts_native_pages_only_gets_them_back_to_the_bit(client):
    want = ask(client, "interactive", seed=7)["output_ids"]
    push_out(client, "interactive")
    formats = host(client)["formats"]
    assert formats["native"]["pages"] > 6
    assert formats["int4"]["pages"] == formats["int8"]["pages"] == 0
    again = ask(client, "interactive", seed=7)
    assert from_host(again) >= 160
    assert again["output_ids"] == want


def test_what_does_not_arrive_is_computed(client, faults):
    want = ask(client, "interactive", seed=8)["output_ids"]
    ask(client, "batch", seed=9)
    push_out(client, "interactive")
    push_out(client, "batch")
    before = host(client)
    faults.write_text("load")
    assert ask(client, "interactive", seed=8)["output_ids"] == want
    assert len(ask(client, "batch", seed=9)["output_ids"]) == 70
    assert host(client)["load_failed_tokens"] >= before["load_failed_tokens"] + 320


def test_what_cannot_go_to_the_host_is_computed(client, faults):
    faults.write_text("store")
    want = ask(client, "interactive", seed=10)["output_ids"]
    push_out(client, "interactive")
    assert host(client)["used_bytes"] == 0
    assert ask(client, "interactive", seed=10)["output_ids"] == want


def test_a_flush_empties_both(client):
    ask(client, "batch", seed=11)
    push_out(client, "batch")
    assert host(client)["used_bytes"] > 0
    wait_until_idle(client)
    assert client.post("/flush_cache").status_code == 200
    state = wait_until_idle(client)
    assert state["host"]["used_bytes"] == 0
    assert all(fmt["pages_used"] == 0 for fmt in state["kv"]["formats"].values())


def test_metrics(client):
    ask(client, "batch", seed=12)
    push_out(client, "batch")
    used = host(client)["used_bytes"]
    (line,) = (
        line for line in client.get("/metrics").text.splitlines() if line.startswith("superinfer:host_kv_bytes{")
    )
    assert 0 < float(line.split()[-1]) <= used


@pytest.mark.parametrize(
    ("size", "sentence"), [("1k", "1024 bytes hold no native page"), ("100t", "Not enough host memory available")]
)
def test_a_tier_that_cannot_be_is_refused(tiny_model, tmp_path, size, sentence):
    (tmp_path / "config.toml").write_text(f'[host]\nkv_bytes = "{size}"\n')
    args = ["--model-path", str(tiny_model), *ARGUMENTS, *BUDGET, "--slo-classes", str(tmp_path / "config.toml")]
    status, printed = refusal(tmp_path, *args)
    assert status != 0
    assert sentence in printed
