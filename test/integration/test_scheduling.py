"""The scheduler on the real engine: who goes first, and who may pass whom."""

import threading
import time

import pytest

from integration.conftest import SMALL, STRICT
from support.server import running_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def narrow_server(tiny_model, classes_file, tmp_path_factory):
    """Room for 1024 tokens of KV and two requests: contention at will, for a second or two."""
    log = tmp_path_factory.mktemp("narrow") / "server.log"
    args = ["--model-path", str(tiny_model), "--slo-classes", str(classes_file), *SMALL]
    args[args.index("--max-total-tokens") + 1] = "1024"
    with running_server(log, *args, "--max-running-requests", "2", env=STRICT) as server:
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


def test_a_large_request_is_not_passed_for_ever(narrow_server):
    race = Race(narrow_server)
    race.send("holder", 450, 400).wait_until_running("holder")
    race.send("large", 600, 40).wait_until_waiting(1)
    for index in range(8):
        race.send(f"small{index}", 10, 5)
    started = race.finish()
    # The holder, the three that max_passed of this server's classes file allows, and one that may share the large
    # request's prefill batch and be read first. Without the bound all eight would come before it.
    assert started.index("large") <= 1 + 3 + 1
