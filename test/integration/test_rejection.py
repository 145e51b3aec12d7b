"""Requests that cannot be on time are refused, where the operator wants that."""

import pytest

from integration.conftest import SMALL, STRICT
from integration.test_abort import scheduler_state, wait_until_idle
from support.server import running_server

pytestmark = pytest.mark.integration

CONFIG = "[rotation]\nreject = true\n"
HOPELESS = {"class": "interactive", "ttft_ms": 1}


@pytest.fixture(scope="module")
def strict_server(tiny_model, tmp_path_factory):
    """Has learnt what prompts cost."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "config.toml").write_text(CONFIG)
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL, "--enable-metrics"]
    with running_server(folder / "server.log", *args, env=STRICT) as server:
        with server.client() as client:
            for index in range(12):
                prompt = {"text": f"{index} " * (100 + 20 * index)}
                client.post("/generate", json=prompt | {"sampling_params": {"max_new_tokens": 3, "ignore_eos": True}})
        yield server


BODIES = {
    "/generate": {"text": "hello " * 120, "sampling_params": {"max_new_tokens": 4}},
    "/v1/completions": {"model": "m", "prompt": "hallo " * 120, "max_tokens": 4},
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "bonjour " * 90}], "max_tokens": 4},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", BODIES)
def test_what_cannot_be_on_time_is_refused_with_429(strict_server, path, stream):
    with strict_server.client() as client:
        before = wait_until_idle(client)["outcomes"].get("interactive", {}).get("rejected", 0)
        reply = client.post(path, json=BODIES[path] | {"slo": HOPELESS, "stream": stream})
        assert reply.status_code == 429
        assert int(reply.headers["retry-after"]) >= 1
        error = reply.json().get("error", reply.json())
        assert (error["code"], "cannot be met" in error["message"]) == (429, True)
        assert wait_until_idle(client)["outcomes"]["interactive"]["rejected"] == before + 1


def test_others_are_served_and_nothing_is_left_behind(strict_server):
    with strict_server.client() as client:
        for slo in ("batch", {"class": "interactive", "ttft_ms": 60_000}):
            assert client.post("/generate", json=BODIES["/generate"] | {"slo": slo}).status_code == 200
        wait_until_idle(client)
        assert client.post("/flush_cache").status_code == 200
        assert scheduler_state(client)["rotation"]["parked"] == []
        text = client.get("/metrics").text
    (line,) = (line for line in text.splitlines() if "slo_requests_total{" in line and 'outcome="rejected"' in line)
    assert float(line.split()[-1]) >= 1
