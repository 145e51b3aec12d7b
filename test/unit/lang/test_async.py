import asyncio
import threading
import time
from contextlib import suppress

import pytest

import superinfer
from superinfer import gen
from superinfer.lang import ProgramCancelled
from superinfer.lang.threads import in_own_thread

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

RUNS = 100


@superinfer.function
def one(s, prompt="x"):
    s += prompt + gen("a")
    return s["a"]


@superinfer.function
def forked(s):
    forks = s.fork(3)
    forks += "x" + gen("a")
    forks.join()
    s += gen("never sent")


@pytest.fixture
async def gated(server):
    """A server that answers nothing until its gate opens."""

    async def close_gate():
        server.gate = asyncio.Event()

    server.loop.run(close_gate())
    return server


def program_threads():
    names = ("superinfer-program", "superinfer-executor")
    return [thread for thread in threading.enumerate() if thread.name in names]


async def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


async def test_a_hundred_runs_wait_side_by_side_and_the_loop_stays_free(gated):
    tasks = [asyncio.create_task(one.arun("x" * i, backend=gated)) for i in range(1, RUNS + 1)]
    await until(lambda: gated.in_flight == RUNS)
    gated.open_gate()
    states = await asyncio.gather(*tasks)
    assert [state.ret_value for state in states] == [f" answer of {i}" for i in range(1, RUNS + 1)]
    await until(lambda: not program_threads())


async def test_cancelling_drops_the_request_and_ends_the_thread(gated):
    task = asyncio.create_task(one.arun(backend=gated))
    await until(lambda: gated.in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not program_threads() and gated.dropped)
    assert gated.in_flight == 0


async def test_cancelling_reaches_every_fork_and_nothing_more_is_sent(gated):
    task = asyncio.create_task(forked.arun(backend=gated))
    await until(lambda: gated.in_flight == 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not program_threads() and len(gated.dropped) == 3)
    assert len(gated.payloads) == 3


async def test_a_timeout_cancels(gated):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await one.arun(backend=gated)
    await until(lambda: not program_threads())


async def test_a_program_that_is_cancelled_outside_of_a_call_sends_no_more(server):
    begun, go_on, seen = threading.Event(), threading.Event(), []

    @superinfer.function
    def program(s):
        begun.set()
        go_on.wait()
        try:
            s += gen("a")
        except ProgramCancelled as error:
            seen.append(error)
            raise

    task = asyncio.create_task(program.arun(backend=server))
    await until(begun.is_set)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    go_on.set()
    await until(lambda: seen)
    assert server.payloads == []


async def test_errors_are_raised_where_the_run_is_awaited(server):
    def answer(payload):
        raise LookupError("no")

    server.answer = answer
    results = await asyncio.gather(*(one.arun(backend=server) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3


@pytest.mark.parametrize("error", [StopIteration, KeyboardInterrupt, SystemExit])
async def test_even_errors_that_end_loops_and_processes_arrive(error):
    def work():
        raise error

    with pytest.raises((error, RuntimeError)) as caught:
        await in_own_thread(work, lambda: None)
    assert error in (type(caught.value), type(caught.value.__cause__))


async def test_context_variables_reach_the_program(server):
    from contextvars import ContextVar

    user = ContextVar("user")
    user.set("ada")
    state = await superinfer.function(lambda s: user.get()).arun(backend=server)
    assert state.ret_value == "ada"


async def test_a_stream_can_be_cancelled(gated):
    state = one.run(stream=True, backend=gated)
    await until(lambda: gated.in_flight == 1)
    state.cancel()
    with pytest.raises(ProgramCancelled):
        [chunk async for chunk in state.text_async_iter()]
    await until(lambda: not program_threads() and gated.dropped)


async def test_a_hundred_streams_are_read_in_one_loop_without_threads_for_reading(gated):
    async def read(state):
        return "".join([chunk async for chunk in state.text_async_iter("a")])

    states = [one.run("x" * i, stream=True, backend=gated) for i in range(1, RUNS + 1)]
    readers = [asyncio.create_task(read(state)) for state in states]
    await until(lambda: gated.in_flight == RUNS)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]
    gated.open_gate()
    assert await asyncio.gather(*readers) == [f" answer of {i}" for i in range(1, RUNS + 1)]
