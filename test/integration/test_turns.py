"""Turns in the engine when memory is short: urgent requests get in at once, and nobody loses anything."""

import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from integration.conftest import SMALL, STRICT
from integration.test_abort import scheduler_state, wait_until_idle
from integration.test_scheduling import Race
from superinfer.cli import main
from superinfer.observe import events
from superinfer.observe.subscribe import Subscriber
from superinfer.sched.step_time import StepLoad
from superinfer.sim.calibrate import fit
from superinfer.workload.steps import read_steps
from support.server import free_port, running_server

pytestmark = pytest.mark.integration

CONFIG = """
[rotation]
slice_ms = 20

[classes.interactive]
ttft_ms = 5000
tpot_ms = 500
"""
POOL_TOKENS = 1024
EVENTS = f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def turns_server(tiny_model, tmp_path_factory):
    """Room for 1024 tokens of KV; whoever is more urgent takes it."""
    folder = tmp_path_factory.mktemp("turns")
    (folder / "config.toml").write_text(CONFIG + f'\n[observe]\nevents = "{EVENTS}"\n')
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL]
    args[args.index("--max-total-tokens") + 1] = str(POOL_TOKENS)
    with running_server(folder / "server.log", *args, "--enable-metrics", env=STRICT) as server:
        yield server


def serve_alone(server, prompt_tokens, new_tokens, index):
    """What a request is answered when nobody else is there. Prompts as ``Race`` makes them."""
    ids = [(index * 31 + i * 7) % 250 + 2 for i in range(prompt_tokens)]
    params = {"temperature": 0, "max_new_tokens": new_tokens, "ignore_eos": True}
    with server.client() as client:
        wait_until_idle(client)
        return client.post("/generate", json={"input_ids": ids, "sampling_params": params}).json()["output_ids"]


tokens_alone = cache(serve_alone)
"""The same, asked once of each server."""


def test_chat_gets_in_although_batch_holds_all_memory(turns_server):
    race = Race(turns_server)
    before = scheduler_state(race.client)["rotation"]["total"]
    for index in range(3):
        race.send(f"batch{index}", 250, 150, "batch")
    race.wait_until_running("batch0").wait_until_running("batch1")
    race.send("chat", 300, 20, "interactive")
    race.wait_until_running("chat")
    state = scheduler_state(race.client)["rotation"]
    race.finish()
    assert state["total"] > before
    assert tokens_of(race, "chat") == tokens_alone(turns_server, 300, 20, 3)
    for index in range(3):
        assert tokens_of(race, f"batch{index}") == tokens_alone(turns_server, 250, 150, index)


def tokens_of(race, name):
    return json.loads(race.outputs[name].removeprefix("data: "))["output_ids"]


def outgrow_the_memory(server):
    race = Race(server)
    for index in range(6):
        race.send(f"long{index}", 60, 300, "batch")  # 2160 tokens in the end, twice the memory
    race.finish()
    return race


def test_answers_that_outgrow_the_memory_take_turns(turns_server):
    race = outgrow_the_memory(turns_server)
    for index in range(6):
        assert tokens_of(race, f"long{index}") == tokens_alone(turns_server, 60, 300, index)
    assert "Retract requests" not in turns_server.log.read_text()


def test_a_parked_request_can_be_aborted(turns_server):
    race = Race(turns_server)
    for index in range(6):
        race.send(f"long{index}", 60, 300, "batch")
    race.wait_until_running("long5")
    race.client.post("/abort_request", json={"abort_all": True})
    race.finish()
    state = wait_until_idle(race.client)
    assert state["rotation"]["parked"] == []
    assert race.client.post("/flush_cache").status_code == 200
    assert turns_server.alive()


def test_metrics_count_rotations(turns_server):
    test_chat_gets_in_although_batch_holds_all_memory(turns_server)
    with turns_server.client() as client:
        text = client.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("superinfer:rotations_total{")]
    displaced = [line for line in lines if 'slo_class="batch"' in line and 'reason="displaced"' in line]
    assert sum(float(line.split()[-1]) for line in displaced) >= 1


def test_events_tell_who_was_taken_out_and_came_back(turns_server):
    seen = []
    with Subscriber(EVENTS) as subscriber:
        list(subscriber.receive(for_s=1.5))  # a watcher that has just connected misses what is sent at once
        thread = threading.Thread(target=outgrow_the_memory, args=[turns_server])
        thread.start()
        while thread.is_alive():
            seen += [event for delivery in subscriber.receive(for_s=0.5) for event in delivery.batch.events]
    rotated = [event for event in seen if isinstance(event, events.Rotated)]
    resumed = Counter(event.rid for event in seen if isinstance(event, events.Resumed))
    finished = [event for event in seen if isinstance(event, events.Finished)]
    assert rotated
    assert Counter(event.rid for event in rotated) == resumed
    assert all(event.reason == "memory" and event.generated > 0 for event in rotated)
    assert len(finished) == 6
    assert any(isinstance(event, events.PassSummary) and event.parked for event in seen)


def serve_one_after_the_other_and_interrupt(server):
    """Each prompt is a step of its own; then Ctrl-C."""
    try:
        time.sleep(1.5)  # a watcher that has just connected misses what is sent at once
        for index in (1, 1, 2, 2, 3, 3, *range(40)):
            serve_alone(server, 40 + 7 * index, 4, 50 + index)
        time.sleep(1)  # for the last events to arrive
    finally:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def interruptible():
    """Who runs the tests in the background may have them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_recording_teaches_the_simulator_this_machine(turns_server, tmp_path):
    out = tmp_path / "run.json"
    arguments = ["record", "--url", turns_server.url, "--events", EVENTS, "--seconds", "300", "--out", str(out)]
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(serve_one_after_the_other_and_interrupt, turns_server)
        assert main(arguments) == 0
        loading.result()
    run = read_steps(out)
    assert run.kv_tokens == POOL_TOKENS
    cached = [request.cached_tokens for request in run.requests]
    assert max(cached) >= 40  # the second time, all but the last token is there
    assert cached[-1] < 40
    assert all(request.last_us >= request.first_us and request.output_tokens == 4 for request in run.requests)
    assert run.rotation["max_chunk_tokens"] == 512
    machine = fit(run).machine
    assert machine.prefill_alone_us(200) > machine.step_us(StepLoad(decode_rows=1, kv_tokens=100)) > 0
