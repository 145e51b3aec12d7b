"""KV that comes back ahead of its request, over a link so slow that everything can happen meanwhile."""

import pytest

from integration.conftest import SMALL, STRICT
from integration.host.clients import Clients
from integration.host.engines import prompt
from integration.test_abort import wait_until_idle
from support.server import running_server

pytestmark = pytest.mark.integration

# A token of the tiny model has 512 bytes of KV: 200 of them take two seconds.
CONFIG = """
[rotation]
slice_ms = 20

[host]
kv_bytes = "4m"
link_bytes_per_s = 51_200

[classes.interactive]
ttft_ms = 20_000
tpot_ms = 2000
"""
POOL_TOKENS = 1024
SHARED = prompt(1, 200)


@pytest.fixture(scope="module")
def slow_link_server(tiny_model, tmp_path_factory):
    """Room for 1024 tokens of KV and one request at a time."""
    folder = tmp_path_factory.mktemp("slow_link")
    (folder / "config.toml").write_text(CONFIG)
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL]
    args[args.index("--max-total-tokens") + 1] = str(POOL_TOKENS)
    args += ["--max-running-requests", "1", "--enable-metrics"]
    with running_server(folder / "server.log", *args, env=STRICT) as server:
        yield server


@pytest.fixture
def clients(slow_link_server):
    clients = Clients(slow_link_server)
    wait_until_idle(clients.http)
    yield clients
    clients.http.post("/abort_request", json={"abort_all": True})
    wait_until_idle(clients.http)
    clients.pool.shutdown()
    assert slow_link_server.alive()


def test_nobody_reads_a_prefix_that_is_on_its_way(clients):
    tails = [[7, 8, 9], [17, 18, 19]]
    want = [clients.answer([*SHARED, *tail])["output_ids"] for tail in tails]
    clients.push_out()
    before = clients.host()
    _, waiting = clients.begin_a_load([*SHARED, *tails[0]])
    # Takes the place of the one that runs, and finds the prefix in the tree.
    follower = clients.answer([*SHARED, *tails[1]], cls="interactive")
    assert follower["output_ids"] == want[1]
    assert follower["meta_info"]["cached_tokens"] >= 199
    clients.abort("running")
    assert waiting.result()["output_ids"] == want[0]
    after = clients.host()
    assert after["prefetched_tokens"] - before["prefetched_tokens"] >= 199
    assert after["prefetch_hits_tokens"] - before["prefetch_hits_tokens"] >= 199
    assert (after["on_their_way"], after["held_for"]) == (0, 0)
    assert after["load_token_us"] > 0


def test_an_abort_during_the_load_holds_nothing(clients):
    want = clients.answer([*SHARED, 3, 4])["output_ids"]
    clients.push_out()
    _, waiting = clients.begin_a_load([*SHARED, 3, 4])
    clients.abort("waiting")
    clients.until(lambda state: state["host"]["held_for"] == 0, "let go")
    assert waiting.result()["meta_info"]["finish_reason"]["type"] == "abort"
    clients.abort("running")
    assert clients.answer([*SHARED, 3, 4])["output_ids"] == want


def test_a_flush_waits_for_what_is_on_its_way(clients):
    fills = [prompt(60 + index, 200) for index in range(5)]
    want = [clients.answer(ids)["output_ids"] for ids in (SHARED, *fills)]
    clients.push_out()
    clients.begin_a_load([*SHARED, 5, 6])
    clients.http.post("/abort_request", json={"abort_all": True})
    clients.until(lambda state: state["running_total"] == state["waiting_total"] == 0, "idle")
    clients.until(lambda _: clients.http.post("/flush_cache").status_code == 200, "flushed")
    host = clients.host()
    assert (host["used_bytes"], host["on_their_way"], host["held_for"]) == (0, 0, 0)
    # A load that went on would now be writing into these.
    assert [clients.answer(ids)["output_ids"] for ids in (SHARED, *fills)] == want


def test_metrics(clients, slow_link_server):
    clients.answer(SHARED)
    clients.push_out()
    clients.answer([*SHARED, 1])
    text = clients.http.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("superinfer:host_kv")]
    tokens = {what: sum(float(line.split()[-1]) for line in lines if f'what="{what}"' in line) for what in
              ("offloaded", "loaded", "prefetched", "hit")}  # fmt: skip
    assert tokens["offloaded"] >= 200
    assert tokens["loaded"] >= tokens["prefetched"] >= tokens["hit"]
    assert tokens["loaded"] >= 199
    assert any(line.startswith("superinfer:host_kv_bytes{") and float(line.split()[-1]) > 0 for line in lines)
