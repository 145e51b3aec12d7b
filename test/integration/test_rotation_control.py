"""What an operator does to a server in which requests are taken out all the time."""

import json
import time

import pytest

from integration.conftest import SMALL, STRICT
from integration.test_abort import scheduler_state, wait_until_idle
from integration.test_scheduling import Race
from integration.test_turns import tokens_alone, tokens_of
from support.server import running_server

pytestmark = pytest.mark.integration

CONFIG = """
[rotation]
force_every = 2
slice_ms = 20
"""
LONG = [("long0", 60, 300), ("long1", 80, 280), ("long2", 50, 300), ("long3", 70, 290)]


@pytest.fixture(scope="module")
def restless_server(tiny_model, tmp_path_factory):
    """Room for 1024 tokens of KV, two places in the queue, and somebody is taken out in every other pass."""
    folder = tmp_path_factory.mktemp("restless")
    (folder / "config.toml").write_text(CONFIG)
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL]
    args[args.index("--max-total-tokens") + 1] = "1024"
    args += ["--max-queued-requests", "2", "--sleep-on-idle", "--chunked-prefill-size", "64"]
    with running_server(folder / "server.log", *args, env=STRICT) as server:
        yield server


def long_requests(server):
    """Four requests that together outgrow the memory, all of them under way."""
    race = Race(server)
    for name, prompt_tokens, new_tokens in LONG:
        race.send(name, prompt_tokens, new_tokens, "batch").wait_until_running(name)
    return race


def check_answers(server, race):
    for index, (name, prompt_tokens, new_tokens) in enumerate(LONG):
        assert tokens_of(race, name) == tokens_alone(server, prompt_tokens, new_tokens, index), name


@pytest.mark.parametrize("mode", ["retract", "in_place"])
def test_a_pause_costs_nobody_a_token(restless_server, mode):
    race = long_requests(restless_server)
    assert race.client.post("/pause_generation", json={"mode": mode}).status_code == 200
    time.sleep(0.3)
    paused = scheduler_state(race.client)
    time.sleep(0.3)
    assert scheduler_state(race.client)["rotation"]["parked"] == paused["rotation"]["parked"]
    if mode == "retract":
        assert (paused["running_total"], len(paused["rotation"]["parked"])) == (0, len(LONG))
        assert race.client.post("/flush_cache").status_code == 200
    assert race.client.post("/continue_generation", json={}).status_code == 200
    race.finish()
    check_answers(restless_server, race)


def test_whoever_is_parked_during_a_pause_can_be_aborted(restless_server):
    race = long_requests(restless_server)
    race.client.post("/pause_generation", json={"mode": "retract"})
    race.client.post("/abort_request", json={"abort_all": True})
    race.client.post("/continue_generation", json={})
    race.finish()
    for name, _, _ in LONG:
        last = json.loads(race.outputs[name].removeprefix("data: "))
        assert last["meta_info"]["finish_reason"]["type"] == "abort"
    wait_until_idle(race.client)
    assert race.client.post("/flush_cache").status_code == 200


def test_the_server_is_healthy_meanwhile(restless_server):
    race = long_requests(restless_server)
    answers = []
    while any(thread.is_alive() for thread in race.threads):
        answers.append(race.client.get("/health_generate").status_code)
    race.finish()
    assert set(answers) == {200}


def test_only_newcomers_count_towards_a_full_queue(restless_server):
    race = long_requests(restless_server)
    parked, statuses = [0], []
    newcomer = {"text": "new", "sampling_params": {"max_new_tokens": 2}}
    while any(thread.is_alive() for thread in race.threads):
        parked.append(len(scheduler_state(race.client)["rotation"]["parked"]))
        statuses.append(race.client.post("/generate", json=newcomer).status_code)
    race.finish()
    assert max(parked) >= 2
    assert set(statuses) == {200}
    check_answers(restless_server, race)
    crowd = newcomer | {"text": ["new"] * 12}
    assert race.client.post("/generate", json=crowd).status_code == 503


def test_a_request_that_fills_the_memory_alone_is_answered(restless_server):
    tokens = tokens_alone(restless_server, 300, 700, 0)
    assert len(tokens) == 700


GREEDY = {"temperature": 0, "max_new_tokens": 20, "ignore_eos": True}
TURNS = [[*range(10, 40)], [*range(50, 60)]]


def test_a_session_goes_on_where_it_was(restless_server):
    with restless_server.client() as client:
        session = client.post("/open_session", json={"capacity_of_str_len": 1000}).json()
        first = session_turn(client, session, TURNS[0], None)
        second = session_turn(client, session, TURNS[1], first["meta_info"]["id"])
        said = TURNS[0] + first["output_ids"] + TURNS[1]
        plain = client.post("/generate", json={"input_ids": said, "sampling_params": GREEDY}).json()
        client.post("/close_session", json={"session_id": session})
    assert second["output_ids"] == plain["output_ids"]


def session_turn(client, session, ids, rid):
    params = {"id": session, "rid": rid, "offset": 0, "replace": False}
    body = {"input_ids": ids, "session_params": params, "sampling_params": GREEDY}
    return client.post("/generate", json=body).json()
