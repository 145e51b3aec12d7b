"""The in-process backend, on an engine that has no model."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from superinfer import EngineBackend, function, gen, select

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


class Manager:
    """What ``Engine`` hands its requests to."""

    model_path = "tiny/Qwen-Instruct"

    def __init__(self):
        self.requests = []
        self.aborted = []
        self.loops = set()
        self.hang = False

    async def generate_request(self, request, _):
        self.requests.append(request)
        self.loops.add(asyncio.get_running_loop())
        while self.hang:
            await asyncio.sleep(0.001)
        if isinstance(request.text, list):
            yield [self.score(text) for text in request.text]
            return
        for end in range(1, 4) if request.stream else [3]:
            yield {"text": "abc"[:end], "meta_info": {"prompt_tokens": 1, "cached_tokens": 1}}

    def score(self, text):
        logprob = -0.5 if text.endswith("yes") else -4.0
        logprobs = [(-1.0, 1, "\0"), (logprob, 2, "y")]
        return {"text": "", "meta_info": {"input_token_logprobs": logprobs, "output_token_logprobs": []}}

    def abort_request(self, rid):
        self.aborted.append(rid)


@pytest.fixture
def engine():
    loop = asyncio.new_event_loop()
    engine = SimpleNamespace(loop=loop, tokenizer_manager=Manager())
    engine.flush_cache = lambda: loop.run_until_complete(asyncio.sleep(0, "flushed"))
    engine.get_server_info = lambda: loop.run_until_complete(asyncio.sleep(0, {"model": "tiny"}))
    engine.profiled = []
    engine.start_profile = lambda: engine.profiled.append("start")
    engine.stop_profile = lambda: engine.profiled.append("stop")
    yield engine
    loop.close()


@pytest.fixture
def backend(engine):
    backend = EngineBackend(engine)
    yield backend
    backend.close()


@function
def ping(s):
    s += "ping" + gen("a", slo="batch")


def test_a_program_runs_on_the_engines_own_loop(engine, backend):
    state = ping.run(backend=backend)
    assert state.text() == "pingabc"
    assert engine.tokenizer_manager.loops == {engine.loop}
    [request] = engine.tokenizer_manager.requests
    assert request.sampling_params["custom_params"] == {"slo": {"class": "batch"}}


def test_many_runs_at_a_time(backend):
    states = ping.run_batch([{}] * 30, backend=backend)
    assert {state["a"] for state in states} == {"abc"}


def test_a_stream(backend):
    assert "".join(ping.run(stream=True, backend=backend).text_iter("a")) == "abc"


def test_choices_need_the_text_of_scored_tokens(engine, backend):
    state = function(lambda s: s.__iadd__("x" + select("c", ["no", "yes"]))).run(backend=backend)
    assert state["c"] == "yes"
    assert engine.tokenizer_manager.requests[-1].return_text_in_logprobs is True


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_aborts_the_request(engine, backend, stream):
    manager = engine.tokenizer_manager
    manager.hang = True
    begun = ping.run(stream=True, backend=backend) if stream else None
    task = None
    if not stream:
        runner, task = start_in_thread(ping.arun(backend=backend))
    wait_for(lambda: manager.requests)
    if stream:
        begun.cancel()
    else:
        runner.call_soon_threadsafe(task.cancel)
    wait_for(lambda: manager.aborted)
    assert manager.aborted == [manager.requests[0].rid]


def wait_for(condition):
    while not condition():
        time.sleep(0.001)


def start_in_thread(coroutine):
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    threading.Thread(target=run_until_cancelled, args=(loop, task), daemon=True).start()
    return loop, task


def run_until_cancelled(loop, task):
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        loop.close()


def test_blocking_methods_of_the_engine_work_while_it_is_lent(engine, backend):
    assert backend.flush_cache() == "flushed"
    assert backend.get_server_info() == {"model": "tiny"}
    backend.start_profile()
    backend.stop_profile()
    assert engine.profiled == ["start", "stop"]
    assert ping.run(backend=backend)["a"] == "abc"


async def test_they_work_where_an_event_loop_runs_as_in_notebooks(backend):
    assert backend.flush_cache() == "flushed"


async def test_an_engine_made_in_a_running_loop_is_awaited_and_not_blocked():
    backend = EngineBackend(SimpleNamespace(loop=asyncio.get_running_loop(), tokenizer_manager=Manager()))
    with pytest.raises(RuntimeError, match=r"await arun\(\) instead"):
        ping.run(backend=backend)
    assert (await ping.arun(backend=backend))["a"] == "abc"


def test_the_chat_template_is_chosen_by_the_engines_model(backend):
    assert backend.endpoint.get_chat_template().name == "qwen"


def test_a_closed_backend_gives_the_loop_back(engine):
    EngineBackend(engine).close()
    assert engine.flush_cache() == "flushed"
