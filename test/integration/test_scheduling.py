"""The scheduler on the real engine: who goes first, and who may pass whom."""

import json
import threading
import time

import pytest

from integration.conftest import SMALL, STRICT
from support.server import running_server

pytestmark = pytest.mark.integration


def narrow(tiny_model, folder, config):
    """Room for 1024 tokens of KV and two requests: contention at will, for a second or two."""
    (folder / "config.toml").write_text(config)
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL]
    args[args.index("--max-total-tokens") + 1] = "1024"
    return running_server(folder / "server.log", *args, "--max-running-requests", "2", env=STRICT)


@pytest.fixture(scope="module")
def narrow_server(tiny_model, tmp_path_factory):
    with narrow(tiny_model, tmp_path_factory.mktemp("narrow"), "") as server:
        yield server


@pytest.fixture(scope="module")
def impatient_server(tiny_model, tmp_path_factory):
    """Nobody waits longer than 200 ms for service."""
    with narrow(tiny_model, tmp_path_factory.mktemp("impatient"), "[rotation]\nmax_wait_ms = 200\n") as server:
        yield server


class Race:
    """Sends requests one after the other and notes the order in which they get their first token."""

    def __init__(self, server):
        self.client = server.client()
        self.threads = []
        self.started = []
        self.outputs = {}

    def send(self, name, prompt_tokens, new_tokens, slo=None):
        params = {
            "temperature": 0,
            "max_new_tokens": new_tokens,
            "ignore_eos": True,
            "custom_params": {"slo": slo or {}},
        }
        # Prompts that share no prefix, so that none fits by another's cache.
        ids = [(len(self.threads) * 31 + i * 7) % 250 + 2 for i in range(prompt_tokens)]
        body = {"input_ids": ids, "sampling_params": params, "stream": True}

        def run():
            with self.client.stream("POST", "/generate", json=body) as response:
                for line in response.iter_lines():
                    if line.startswith("data: {") and name not in self.started:
                        self.started.append(name)
                    self.outputs[name] = line if line.startswith("data: {") else self.outputs[name]

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)
        return self

    def wait_until_running(self, name):
        deadline = time.monotonic() + 60
        while name not in self.started and time.monotonic() < deadline:
            time.sleep(0.005)
        assert name in self.started
        return self

    def wait_until_waiting(self, count):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            (scheduler,) = self.client.get("/superinfer/state").json()["schedulers"]
            if scheduler["waiting_total"] >= count:
                return self
            time.sleep(0.01)
        raise AssertionError(f"{count} requests never waited")

    def finish(self):
        for thread in self.threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in self.threads)
        return self.started


# Two requests that end at different times, so that one row is free first: what one prefill batch admits together
# gets its first tokens together, and a client may read them in any order.


def test_an_urgent_request_overtakes_batch_that_came_before(narrow_server):
    race = Race(narrow_server)
    race.send("a", 20, 300).send("b", 20, 450).wait_until_running("a").wait_until_running("b")
    for index in range(4):
        race.send(f"batch{index}", 20, 20, {"class": "batch"})
    race.wait_until_waiting(4).send("chat", 20, 5, {"class": "interactive", "ttft_ms": 60_000})
    started = race.finish()
    assert started.index("chat") < min(started.index(f"batch{i}") for i in range(4))


def test_class_orders_those_who_owe_nothing(narrow_server):
    race = Race(narrow_server)
    race.send("a", 20, 300).send("b", 20, 450).wait_until_running("a").wait_until_running("b")
    race.send("batch", 20, 10, "batch").wait_until_waiting(1)
    race.send("standard", 20, 10, "standard")
    started = race.finish()
    assert started.index("standard") < started.index("batch")


def test_a_large_request_does_not_block_small_ones(narrow_server):
    race = Race(narrow_server)
    # One long request holds most of the memory; "large" cannot fit beside it, "small" can.
    race.send("holder", 450, 400).wait_until_running("holder")
    race.send("large", 600, 40).wait_until_waiting(1).send("small", 10, 5)
    started = race.finish()
    assert started == ["holder", "small", "large"]


def test_a_large_request_is_not_passed_for_ever(impatient_server):
    race = Race(impatient_server)
    race.send("holder", 450, 500).wait_until_running("holder")
    race.send("large", 600, 40).wait_until_waiting(1)
    for index in range(8):
        race.send(f"small{index}", 10, 5)
    race.finish()
    # It waited no longer than that: then the holder, of the same class and far from its end, made room.
    holder, large = (json.loads(race.outputs[name].removeprefix("data: "))["meta_info"] for name in ("holder", "large"))
    assert holder["num_retractions"] >= 1
    assert large["slo"]["ttft_ms"] < holder["slo"]["e2e_ms"]
