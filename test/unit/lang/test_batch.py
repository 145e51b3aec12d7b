import asyncio
import threading
import time

import pytest

import superinfer
from superinfer import gen
from superinfer.lang.threads import MAX_AUTO_THREADS, count, in_order

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


@superinfer.function
def one(s, prompt):
    s += prompt + gen("a")


def prompts(number):
    return [{"prompt": "x" * i} for i in range(1, number + 1)]


def answers(states):
    return [state["a"] for state in states]


@pytest.mark.parametrize("num_threads", ["auto", 1, 7])
@pytest.mark.parametrize("generator_style", [False, True])
@pytest.mark.parametrize("progress_bar", [False, True])
def test_results_come_in_the_order_of_the_items(server, num_threads, generator_style, progress_bar):
    states = one.run_batch(
        prompts(40),
        num_threads=num_threads,
        generator_style=generator_style,
        progress_bar=progress_bar,
        backend=server,
    )
    assert isinstance(states, list) != generator_style
    assert answers(states) == [f" answer of {i}" for i in range(1, 41)]


def test_items_may_be_tuples_and_dicts_with_any_names(server):
    @superinfer.function
    def program(s, n, stop=None):
        return n, stop

    states = program.run_batch([(1,), [2, 3], {"n": 4, "stop": 5}], backend=server)
    assert [state.ret_value for state in states] == [(1, None), (2, 3), (4, 5)]


def test_an_empty_batch(server):
    assert one.run_batch([], backend=server) == []


def test_items_are_left_as_they_were(server):
    items = prompts(2)
    one.bind(prompt="bound").run_batch(items, backend=server)
    assert items == prompts(2)


def test_sampling_holds_for_the_whole_batch(server):
    one.run_batch(prompts(2), temperature=0.25, backend=server)
    assert {payload["sampling_params"]["temperature"] for payload in server.calls} == {0.25}


def test_runs_are_as_many_at_a_time_as_asked_for(server):
    async def close_gate():
        server.gate = asyncio.Event()

    server.loop.run(close_gate())
    batch = threading.Thread(target=one.run_batch, args=(prompts(30),), kwargs={"num_threads": 4, "backend": server})
    batch.start()
    while server.in_flight < 4:
        time.sleep(0.001)
    time.sleep(0.05)
    assert server.in_flight == 4
    assert sum(thread.name.startswith("superinfer-batch") for thread in threading.enumerate()) == 4
    server.open_gate()
    batch.join()
    assert server.most_in_flight == 4


@pytest.mark.parametrize(
    ("num_threads", "programs", "expected"),
    [("auto", 3, 3), ("auto", 9999, MAX_AUTO_THREADS), (5, 3, 3), (2, 3, 2), ("auto", 0, 1)],
)
def test_number_of_threads(num_threads, programs, expected):
    assert count(num_threads, programs) == expected


@pytest.mark.parametrize("num_threads", [0, -1, "many", 1.5])
def test_a_bad_number_of_threads_is_refused(server, num_threads):
    with pytest.raises(ValueError, match="num_threads must be"):
        one.run_batch(prompts(1), num_threads=num_threads, backend=server)


def test_an_iterator_works_only_a_little_ahead(server):
    states = one.run_batch(prompts(1000), num_threads=2, generator_style=True, backend=server)
    next(states)
    time.sleep(0.1)
    assert len(server.calls) <= 5


def test_a_consumer_that_stops_early_cancels_what_runs(server):
    given_up = threading.Event()
    results = in_order(lambda item: given_up.wait() if item else item, range(10), 2, given_up.set)
    assert next(results) == 0
    results.close()
    assert given_up.is_set()


def test_a_long_common_beginning_is_cached_before_a_batch(server):
    beginning = "You are a helpful assistant. " * 4

    @superinfer.function
    def program(s, question):
        s += beginning + "Q: "
        s += question
        s += gen("a")

    program.run_batch([("a",), ("b",)], backend=server)
    assert (server.payloads[0]["text"], server.payloads[0]["sampling_params"]) == (
        beginning + "Q: ",
        {"max_new_tokens": 0},
    )
    assert len(server.payloads) == 3


def test_a_single_run_or_a_short_beginning_is_not_worth_it(server):
    one.run_batch(prompts(1), backend=server)
    one.run_batch(prompts(2), backend=server)
    assert len(server.payloads) == 3
