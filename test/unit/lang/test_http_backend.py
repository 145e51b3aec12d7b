"""The HTTP backend against a real socket."""

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from superinfer import HTTPBackend, function, gen
from superinfer.lang import BackendError

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

META = {"prompt_tokens": 1, "cached_tokens": 0, "slo": {"class": "batch", "outcome": "met"}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.note(None)
        if self.headers["Authorization"] != "Bearer secret":
            self.answer({"error": "Unauthorized"}, 401)
        elif self.path == "/model_info":
            self.answer({"model_path": "some/Llama-3-8B-Instruct"})
        elif self.path == "/server_info":
            self.answer({"version": "x"})
        else:
            self.answer({"detail": "Not Found"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        self.note(body)
        if self.path == "/superinfer/hint" and body["id"] == "nobody":
            self.answer({"detail": "no request with id 'nobody' has ended lately"}, 404)
        elif self.path != "/generate":
            self.answer({})
        elif "bad" in body["text"]:
            self.answer({"object": "error", "message": "slo.ttft_ms: must be positive"}, 400)
        elif body.get("stream"):
            self.stream(body["text"])
        else:
            self.answer({"text": " pong", "meta_info": META})

    def stream(self, text):
        lines = [json.dumps({"text": " pong"[:end], "meta_info": META}, ensure_ascii=False) for end in range(1, 6)]
        if "break" in text:
            lines[2:] = [json.dumps({"error": {"message": "out of memory", "code": 500}})]
        data = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for index in range(0, len(data), 7):  # Cut anywhere.
            self.wfile.write(data[index : index + 7])

    def answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def note(self, body):
        self.server.seen.append((self.command, self.path, self.headers["Authorization"], body))

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # Many runs connect at once.


@pytest.fixture
def address():
    server = Server(("127.0.0.1", 0), Handler)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backend(address):
    with HTTPBackend(address.url + "/", api_key="secret") as backend:
        yield backend


@function
def ping(s, text="ping"):
    s += text + gen("a", slo="batch")


def test_the_model_is_asked_for_at_the_address_that_is_not_deprecated(address, backend):
    assert address.seen == [("GET", "/model_info", "Bearer secret", None)]
    assert backend.model_path == "some/Llama-3-8B-Instruct"
    assert backend.endpoint.get_chat_template().name == "llama-3-instruct"


def test_a_program_over_http(address, backend):
    state = ping.run(backend=backend)
    assert state.text() == "ping pong"
    assert state.slo_report().calls[0].outcome == "met"
    method, path, key, body = address.seen[-1]
    assert (method, path, key, body["text"]) == ("POST", "/generate", "Bearer secret", "ping")
    assert body["sampling_params"]["custom_params"] == {"slo": {"class": "batch"}}


def test_a_stream_over_http(backend):
    state = ping.run(stream=True, backend=backend)
    assert "".join(state.text_iter("a")) == " pong"


def test_a_refusal_names_the_field(backend):
    with pytest.raises(BackendError, match=r"/generate answered 400: slo\.ttft_ms: must be positive") as caught:
        ping.run("bad", backend=backend)
    assert caught.value.status == 400


def test_a_refused_stream_names_the_field(backend):
    with pytest.raises(BackendError, match=r"slo\.ttft_ms: must be positive"):
        list(ping.run("bad", stream=True, backend=backend).text_iter())


def test_an_error_inside_a_stream_is_raised(backend):
    with pytest.raises(BackendError, match="out of memory"):
        list(ping.run("break", stream=True, backend=backend).text_iter())


def test_a_wrong_key_fails_at_once(address):
    with pytest.raises(BackendError, match="/model_info answered 401: Unauthorized"):
        HTTPBackend(address.url)


def test_an_unreachable_server_fails_at_once(address):
    with pytest.raises(httpx.ConnectError):
        HTTPBackend("http://127.0.0.1:1")


def test_control(address, backend):
    backend.endpoint.flush_cache()
    assert backend.endpoint.get_server_info() == {"version": "x"}
    backend.endpoint.start_profile()
    backend.endpoint.stop_profile()
    backend.endpoint.cache_prefix("p")
    paths = [path for _, path, *_ in address.seen[1:]]
    assert paths == ["/flush_cache", "/server_info", "/start_profile", "/stop_profile", "/generate"]


async def test_many_runs_over_http(backend):
    states = await asyncio.gather(*(ping.arun(backend=backend) for _ in range(50)))
    assert {state["a"] for state in states} == {" pong"}


def test_connections_are_kept(address, backend):
    clients = set()
    original = Handler.note

    @contextmanager
    def noting():
        Handler.note = lambda handler, body: (clients.add(handler.client_address), original(handler, body))
        try:
            yield
        finally:
            Handler.note = original

    with noting():
        for _ in range(5):
            ping.run(backend=backend)
    assert len(clients) == 1


def test_hints_over_http(address, backend):
    backend.loop.run(backend.hint("request 1", {"ends": True}))
    assert address.seen[-1][::3] == ("POST", {"id": "request 1", "ends": True})
    with pytest.raises(BackendError, match="'nobody' has ended lately"):
        backend.loop.run(backend.hint("nobody", {"back_ms": 5}))
