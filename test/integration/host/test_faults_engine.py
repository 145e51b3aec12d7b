"""Copies that fail or take too long on a real server: it lives, and answers are the same."""

import os
import time
from pathlib import Path

import pytest

import support
from integration.conftest import SMALL, STRICT
from integration.host.clients import Clients
from integration.host.engines import prompt
from integration.test_abort import wait_until_idle
from superinfer.srt.defaults import CPU_OVERLAP
from support.server import running_server

pytestmark = pytest.mark.integration

# A token of the tiny model has 512 bytes of KV: 200 of them take five seconds.
CONFIG = """
[rotation]
slice_ms = 20

[host]
kv_bytes = "4m"
link_bytes_per_s = 20_480

[classes.interactive]
ttft_ms = 1500
tpot_ms = 2000
"""
SHARED = prompt(1, 200)
TAILS = [[7, 8, 9], [17, 18, 19]]


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    file = tmp_path_factory.mktemp("faults") / "faults"
    file.write_text("")
    return file


@pytest.fixture(scope="module", params=["", "1"], ids=["one step at a time", "overlap"])
def faulty_server(request, tiny_model, faults):
    """Room for 1024 tokens of KV and one request at a time."""
    folder = faults.parent
    (folder / "config.toml").write_text(CONFIG)
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL]
    args[args.index("--max-total-tokens") + 1] = "1024"
    args += ["--max-running-requests", "1", "--enable-metrics"]
    path = os.pathsep.join([str(Path(support.__path__[0]).parent), os.environ.get("PYTHONPATH", "")])
    env = {**STRICT, "FAULTS": str(faults), CPU_OVERLAP: request.param, "PYTHONPATH": path}
    with running_server(folder / "server.log", *args, env=env, module="support.faulty_server") as server:
        yield server


@pytest.fixture
def clients(faulty_server, faults):
    clients = Clients(faulty_server)
    wait_until_idle(clients.http)
    assert clients.http.post("/flush_cache").status_code == 200
    yield clients
    faults.write_text("")
    clients.http.post("/abort_request", json={"abort_all": True})
    wait_until_idle(clients.http)
    clients.pool.shutdown()
    assert faulty_server.alive()


def lost(clients, before, what="load"):
    return clients.host()[f"{what}_failed_tokens"] - before[f"{what}_failed_tokens"]


@pytest.fixture
def want(clients):
    """Answers, before the prefix is pushed out."""
    answers = [clients.answer([*SHARED, *tail])["output_ids"] for tail in TAILS]
    clients.push_out()
    return answers


def test_a_load_that_fails_at_admission_is_computed(clients, faults, want):
    before = clients.host()
    faults.write_text("load")
    answer = clients.answer([*SHARED, *TAILS[0]])
    assert answer["output_ids"] == want[0]
    assert answer["meta_info"]["finish_reason"]["type"] == "length"
    assert lost(clients, before) >= 199
    faults.write_text("")
    assert clients.answer([*SHARED, *TAILS[1]])["output_ids"] == want[1]


def test_a_load_ahead_that_fails_is_computed(clients, faults, want):
    before = clients.host()
    faults.write_text("load")
    _, waiting = clients.wait_behind([*SHARED, *TAILS[0]])
    clients.until(lambda state: state["host"]["load_failed_tokens"] > before["load_failed_tokens"], "a failure")
    assert clients.host()["held_for"] == 0
    clients.abort("running")
    assert waiting.result()["output_ids"] == want[0]


def test_who_reads_what_fails_meanwhile_is_computed_again(clients, faults, want):
    before = clients.host()
    _, waiting = clients.begin_a_load([*SHARED, *TAILS[0]])
    faults.write_text("load")  # the second layer's turn comes in two seconds
    follower = clients.answer([*SHARED, *TAILS[1]], cls="interactive")
    assert follower["output_ids"] == want[1]
    assert lost(clients, before) >= 199
    clients.abort("running")
    assert waiting.result()["output_ids"] == want[0]


def test_a_load_that_is_too_slow_is_given_up(clients, faulty_server, want):
    before = clients.host()
    assert clients.answer([*SHARED, *TAILS[0]], cls="interactive")["output_ids"] == want[0]
    assert lost(clients, before) >= 199
    assert "it takes longer than computing" in faulty_server.log.read_text()


def test_what_cannot_go_to_the_host_is_computed(clients, faults):
    before, new = clients.host(), prompt(3, 200)
    faults.write_text("store")
    want = clients.answer(new)["output_ids"]
    clients.push_out()
    clients.until(lambda state: state["host"]["used_bytes"] <= before["used_bytes"], "the end of all copies")
    after = clients.host()
    assert lost(clients, before, "offload") >= 400
    assert clients.answer(new)["output_ids"] == want
    assert lost(clients, before, "load") == 0
    faults.write_text("")
    clients.answer(prompt(4, 200))
    clients.until(lambda state: state["host"]["used_bytes"] > after["used_bytes"], "a copy")


def test_an_abort_of_who_is_computed_again(clients, faults, want):
    faults.write_text("load")
    waiting = clients.send([*SHARED, *TAILS[0]], new_tokens=600, rid="void")
    time.sleep(0.1)
    clients.abort("void")
    assert waiting.result()["meta_info"]["finish_reason"]["type"] == "abort"


def test_metrics(clients):
    text = clients.http.get("/metrics").text
    for what in ("load_failed", "offload_failed", "discarded", "evicted"):
        assert "superinfer:host_kv_tokens_total{" in text
        assert f'what="{what}"' in text
