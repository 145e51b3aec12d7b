"""Clients that leave: their KV is freed at once, and nobody else notices."""

import asyncio
import json
import time

import httpx
import pytest

pytestmark = pytest.mark.integration

LONG = {"temperature": 0, "max_new_tokens": 400, "ignore_eos": True}


def scheduler_state(client):
    (scheduler,) = client.get("/superinfer/state").json()["schedulers"]
    return scheduler


def wait_until_idle(client):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = scheduler_state(client)
        if state["running_total"] == state["waiting_total"] == 0:
            return state
        time.sleep(0.05)
    raise AssertionError(f"still busy: {state}")


@pytest.mark.parametrize("path", ["/generate", "/v1/completions"])
def test_disconnect_in_mid_stream_frees_the_request(server, path):
    body = {"stream": True, "slo": {"class": "interactive"}}
    if path == "/generate":
        body |= {"text": "a" * 100, "sampling_params": LONG}
    else:
        body |= {"model": "m", "prompt": "a" * 100, "max_tokens": 400, "ignore_eos": True}
    with server.client() as client:
        before = wait_until_idle(client)["outcomes"].get("interactive", {})
        with client.stream("POST", path, json=body) as response:
            assert next(response.iter_lines()).startswith("data: ")
        after = wait_until_idle(client)["outcomes"]["interactive"]
        assert after.get("aborted", 0) == before.get("aborted", 0) + 1
        assert client.post("/flush_cache").status_code == 200  # refused while anything holds memory
    assert server.alive()


def test_many_clients_leaving_at_random_moments(server):
    async def visit(client, index):
        body = {"text": f"{index} " * (5 + index), "sampling_params": LONG, "stream": True, "slo": "interactive"}
        try:
            async with client.stream("POST", "/generate", json=body) as response:
                async for _ in response.aiter_lines():
                    await asyncio.sleep(0.003 * (index % 7))
                    if index % 3:
                        return
        except httpx.TransportError:
            pass

    async def crowd():
        headers = {"authorization": f"Bearer {server.api_key}"} if server.api_key else {}
        async with httpx.AsyncClient(base_url=server.url, timeout=120, headers=headers) as client:
            tasks = [asyncio.create_task(visit(client, index)) for index in range(24)]
            await asyncio.sleep(0.2)
            for task in tasks[::2]:
                task.cancel()  # before a first token, or before the response even started
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(crowd())
    with server.client() as client:
        wait_until_idle(client)
        assert client.post("/flush_cache").status_code == 200
        answer = client.post("/generate", json={"text": "still there?", "sampling_params": {"max_new_tokens": 2}})
        assert answer.status_code == 200
    assert server.alive()


def test_abort_request_ends_a_waiting_and_a_running_request(server):
    with server.client() as client:
        wait_until_idle(client)
        body = {"text": "b" * 50, "sampling_params": LONG, "stream": True, "rid": "to-abort", "slo": "batch"}
        with client.stream("POST", "/generate", json=body) as response:
            lines = response.iter_lines()
            next(lines)
            client.post("/abort_request", json={"rid": "to-abort"})
            events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert events[-1]["meta_info"]["finish_reason"]["type"] == "abort"
        assert "slo" not in events[-1]["meta_info"]
        wait_until_idle(client)
