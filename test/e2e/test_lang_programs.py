"""Programs against a running server with SmolLM2."""

import asyncio

import pytest

import superinfer
from superinfer import SLO, HTTPBackend, OpenAIBackend, assistant, gen, select, system, user
from superinfer.lang import BackendError, DeadlineExceeded

pytestmark = pytest.mark.e2e

EASY = {"class": "interactive", "ttft_ms": 60_000, "tpot_ms": 60_000}
GREEDY = {"temperature": 0}


@pytest.fixture(scope="module")
def backend(base_url):
    with HTTPBackend(base_url) as backend:
        yield backend


@superinfer.function(slo=SLO(cls="standard", deadline_ms=120_000))
def capital(s, country):
    s += system("You answer in one short sentence.")
    s += user(f"What is the capital of {country}?")
    s += assistant(gen("answer", max_tokens=24, slo=EASY))


def test_an_answer_with_its_report(backend):
    state = capital.run("France", backend=backend, **GREEDY)
    assert "Paris" in state["answer"]
    report = state.slo_report()
    [call] = report.calls
    assert (report.outcome, call.outcome) == ("met", "met")
    assert call.slo.cls == call.results[0]["class"] == "interactive"
    assert 0 < call.slo.deadline_ms <= 120_000
    assert call.results[0]["targets"]["deadline_ms"] == call.slo.deadline_ms
    assert call.prompt_tokens > 20


def test_an_impossible_promise_is_reported_as_missed(backend):
    state = capital.run("Italy", slo={"deadline_ms": 1}, backend=backend, **GREEDY)
    report = state.slo_report()
    assert report.outcome == "missed"
    assert "missed" in str(report)


def test_a_deadline_that_has_passed_is_raised_before_the_call(backend):
    @superinfer.function(slo={"deadline_ms": 1}, on_late="raise")
    def program(s):
        s += "Once upon a time" + gen("a", max_tokens=4) + gen("b", max_tokens=4)

    with pytest.raises(DeadlineExceeded):
        program.run(backend=backend)


def test_forks_find_the_common_prefix_in_the_cache(backend):
    @superinfer.function
    def tips(s):
        s += system("You are a helpful assistant who gives very short answers to questions about health.")
        s += user("How do I stay healthy?")
        forks = s.fork(3, slo=[EASY, "batch", None])
        for number, fork in enumerate(forks, 1):
            fork += assistant(f"Tip {number}:" + gen("tip", max_tokens=8))
        forks.join()

    state = tips.run(backend=backend, **GREEDY)
    report = state.slo_report()
    assert len(state["tip"]) == 3
    assert [call.branch for call in sorted(report.calls, key=lambda call: call.branch)] == ["0", "1", "2"]
    assert report.prefix_hits == 3
    classes = {call.branch: call.results[0]["class"] for call in report.calls}
    assert classes == {"0": "interactive", "1": "batch", "2": "standard"}


def test_branches_joined_by_text(backend):
    @superinfer.function
    def program(s):
        s += "Colours:"
        forks = s.fork(2)
        forks += gen("colour", max_tokens=3)
        forks.join("concate_and_append")
        s += " End." + gen("rest", max_tokens=3)

    text = program.run(backend=backend, **GREEDY).text()
    assert text.startswith("Colours:")
    assert " End." in text


@pytest.mark.parametrize("choose", [select, gen])
def test_choices(backend, choose):
    @superinfer.function
    def program(s):
        s += user("Which city is the capital of France?")
        s += assistant("The capital of France is " + choose("city", choices=["Paris", "Rome"]))

    state = program.run(slo=EASY, backend=backend)
    assert state["city"] == "Paris"
    assert len(state.slo_report().calls[0].results) == 3


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        ({"regex": r"(yes|no)"}, lambda text: text in ("yes", "no")),
        ({"dtype": int}, lambda text: text.strip().lstrip("+-").isdigit()),
        (
            {"json_schema": '{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}'},
            lambda text: '"age"' in text,
        ),
    ],
    ids=["regex", "dtype", "json"],
)
def test_constraints(backend, options, matches):
    @superinfer.function
    def program(s):
        s += user("How old is the sun, and is it a star?")
        s += assistant(gen("value", max_tokens=24, **options))

    assert matches(program.run(backend=backend, **GREEDY)["value"])


def test_a_batch(backend):
    countries = ["France", "Italy", "Spain", "Germany"]
    states = capital.run_batch([(country,) for country in countries], backend=backend, **GREEDY)
    assert all(state["answer"] for state in states)
    assert "Paris" in states[0]["answer"]


def test_a_stream(backend):
    state = capital.run("France", stream=True, backend=backend, **GREEDY)
    chunks = list(state.text_iter("answer"))
    assert len(chunks) > 1
    assert "Paris" in "".join(chunks)
    list(state.text_iter())
    assert state.slo_report().calls[0].results


async def test_many_runs_in_one_event_loop(backend):
    states = await asyncio.gather(*(capital.arun("France", backend=backend, **GREEDY) for _ in range(16)))
    assert {"Paris" in state["answer"] for state in states} == {True}


async def test_cancelling_frees_the_server(backend):
    @superinfer.function
    def long(s):
        s += "One, two, three," + gen("a", max_tokens=1500, ignore_eos=True)

    task = asyncio.create_task(long.arun(backend=backend))
    await asyncio.sleep(2)
    with pytest.raises(BackendError):
        backend.flush_cache()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(15):
        await until_idle(backend)


async def until_idle(backend):
    """The cache can be flushed only while nothing runs."""
    while True:
        try:
            return await asyncio.to_thread(backend.flush_cache)
        except BackendError:
            await asyncio.sleep(0.2)


def test_an_unknown_class_is_refused_by_name(backend):
    program = superinfer.function(lambda s: s.__iadd__("x" + gen("a", max_tokens=1)))
    with pytest.raises(BackendError, match="no-such-class") as caught:
        program.run(slo="no-such-class", backend=backend)
    assert caught.value.status == 400


@pytest.mark.filterwarnings("ignore::superinfer.lang.SLOIgnoredWarning")
def test_the_same_program_through_the_api_of_openai(base_url):
    backend = OpenAIBackend("SmolLM2-135M-Instruct", chat_template="chatml", base_url=f"{base_url}/v1", api_key="none")
    state = capital.run("France", backend=backend, **GREEDY)
    assert "Paris" in state["answer"]


def test_the_cache_can_be_flushed(backend):
    superinfer.flush_cache(backend)
    state = capital.run("France", backend=backend, **GREEDY)
    assert state.slo_report().cached_tokens == 0
