"""Agents of the mixed benchmark against servers that speak SGLang's API, and OpenAI's."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from benchmark.engine.client import EngineError
from benchmark.engine.workloads import Urgency
from benchmark.mixed.agents import STEP_TOKENS, Agent, CompletionsBackend, ServerBackend, run

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

AGENTS = [Agent(0.0, " tools", [" one", " two"]), Agent(0.05, " tools", [" three", " four"])]
SLO = {"class": "standard", "deadline_ms": 6000}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"model_path": "SmolLM2"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body))
        tokens = self.server.tokens
        if self.path == "/generate":
            self.answer({"text": " said", "meta_info": {"completion_tokens": tokens, "prompt_tokens": 1}})
        else:
            usage = {"completion_tokens": tokens, "prompt_tokens": 1, "total_tokens": 1}
            choice = {"index": 0, "text": " said", "finish_reason": "length", "logprobs": None}
            self.answer(
                {
                    "id": "1",
                    "object": "text_completion",
                    "created": 1,
                    "model": "m",
                    "choices": [choice],
                    "usage": usage,
                }
            )

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@contextmanager
def server(tokens=STEP_TOKENS):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen, server.tokens = [], tokens
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Tokenizer:
    def encode(self, text):
        return text.split()


def served(backend, promise):
    return asyncio.run(run(AGENTS, backend, promise, Tokenizer(), time.perf_counter()))


def test_steps_follow_each_other_and_are_promised_their_slo():
    with server() as (there, url), ServerBackend(url, {"priority": 1}) as backend:
        answers = served(backend, SLO)
    bodies = [body for path, body in there.seen if path == "/generate"]
    texts = sorted(body["text"] for body in bodies)
    assert texts == [" tools one", " tools one said two", " tools three", " tools three said four"]
    for body in bodies:
        params = body["sampling_params"]
        assert (body["priority"], params["max_new_tokens"], params["ignore_eos"]) == (1, STEP_TOKENS, True)
        slo = params["custom_params"]["slo"]
        assert slo["class"] == "standard"
        assert 5000 < slo["deadline_ms"] <= 6000
    assert sorted(len(answer.request.prompt) for answer in answers) == [2, 2, 4, 4]
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert second.sent_s - first.last_token_s >= 0.5
    assert {(answer.request.max_tokens, answer.request.urgency) for answer in answers} == {(STEP_TOKENS, Urgency.AGENT)}


def test_through_the_api_of_openai_the_fields_are_added_on_the_way():
    with server() as (there, url):
        answers = served(CompletionsBackend(url, {"priority": 1}), None)
    assert len(answers) == 4
    for path, body in there.seen:
        assert path == "/v1/completions"
        assert (body["priority"], body["ignore_eos"], body["max_tokens"]) == (1, True, STEP_TOKENS)


@pytest.mark.parametrize("api", ["sglang", "openai"])
def test_an_answer_that_is_too_short_ends_the_benchmark(api):
    with server(tokens=3) as (_, url):
        backend = ServerBackend(url, {}) if api == "sglang" else CompletionsBackend(url, {})
        with pytest.raises(EngineError, match="asked for 24 tokens, the engine reports 3"):
            served(backend, None)
