"""The backend for the API of OpenAI, on a client that has no server."""

import ast
import inspect
import textwrap
import warnings
from types import SimpleNamespace

import pytest
from sglang.lang.backend.openai import OpenAI

from superinfer import OpenAIBackend, assistant, function, gen, user
from superinfer.lang import DeadlineExceeded, Function, SLOIgnoredWarning
from superinfer.slo import SLO

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


class Completions:
    def __init__(self, is_chat):
        self.is_chat = is_chat
        self.requests = []

    def create(self, **request):
        self.requests.append(request)
        text = " pong"
        if request.get("stream"):
            return (self.answer(SimpleNamespace(delta=SimpleNamespace(content=c), text=c)) for c in text)
        return self.answer(SimpleNamespace(message=SimpleNamespace(content=text), text=text))

    def answer(self, choice):
        return SimpleNamespace(choices=[choice], usage=SimpleNamespace(prompt_tokens=3, completion_tokens=1))


@pytest.fixture(params=[True, False], ids=["chat", "completion"])
def backend(request):
    backend = OpenAIBackend("my-model", is_chat_model=request.param, base_url="http://127.0.0.1:1/v1", api_key="none")
    completions = Completions(request.param)
    backend.endpoint.client = SimpleNamespace(completions=completions, chat=SimpleNamespace(completions=completions))
    backend.requests = completions.requests
    return backend


@function(slo="interactive")
def ping(s):
    s += user("ping")
    s += assistant(gen("a", max_tokens=3))


def test_a_program_runs_and_exactly_one_warning_says_that_slos_are_ignored(backend):
    with pytest.warns(SLOIgnoredWarning, match="OpenAIEndpoint cannot pass an SLO on") as caught:
        states = ping.run_batch([{}] * 5, backend=backend)
    assert len([warning for warning in caught if warning.category is SLOIgnoredWarning]) == 1
    assert {state["a"] for state in states} == {" pong"}
    assert not any("slo" in str(request) for request in backend.requests)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ping.run(backend=backend)
    assert states[0].slo_report().calls[0].slo == SLO()


def test_without_an_slo_there_is_no_warning(backend):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Function(ping.func).run(backend=backend)


def test_a_stream(backend):
    state = Function(ping.func).run(stream=True, backend=backend)
    assert "".join(state.text_iter("a")) == " pong"


@pytest.mark.filterwarnings("ignore::superinfer.lang.SLOIgnoredWarning")
def test_deadlines_are_kept_on_this_side(backend, clock):
    def late(s):
        clock.advance(200)
        s += user("ping")
        s += assistant(gen("a"))

    program = Function(late, slo=SLO(deadline_ms=100), on_late="raise", clock=clock)
    with pytest.raises(DeadlineExceeded):
        program.run(backend=backend)
    assert backend.requests == []


def test_nothing_that_sglangs_own_backend_sets_is_missing(backend):
    tree = ast.parse(textwrap.dedent(inspect.getsource(OpenAI.__init__)))
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.value.id == "self"
    }
    assert names
    assert {name for name in names if not hasattr(type(backend.endpoint), name)} <= vars(backend.endpoint).keys()
