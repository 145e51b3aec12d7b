import asyncio
import threading

import pytest

from superinfer.lang.backends.loop import LoopThread

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]


@pytest.fixture
def loop():
    thread = LoopThread()
    yield thread
    thread.close()


async def thread_name():
    return threading.current_thread().name


def test_work_is_awaited_elsewhere(loop):
    assert loop.run(thread_name()) == "superinfer-loop"


def test_lent_the_loop_rests_and_what_is_under_way_goes_on(loop):
    event = asyncio.Event()

    async def wait():
        await event.wait()
        return "done"

    under_way = loop.submit(wait())
    with loop.lent() as bare:
        assert not bare.is_running()
        assert bare.run_until_complete(thread_name()) == threading.current_thread().name
        event.set()
    assert under_way.result(timeout=5) == "done"
    assert loop.run(thread_name()) == "superinfer-loop"


def test_work_from_other_threads_waits_while_the_loop_is_lent(loop):
    results = []
    with loop.lent():
        other = threading.Thread(target=lambda: results.append(loop.run(thread_name())))
        other.start()
        other.join(timeout=0.05)
        assert results == []
    other.join()
    assert results == ["superinfer-loop"]


def test_work_after_the_end_is_refused_and_does_not_hang():
    loop = LoopThread()
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match="the backend is closed"):
        loop.run(thread_name())


async def test_a_running_loop_is_used_as_it_is_and_cannot_be_lent():
    loop = LoopThread(asyncio.get_running_loop())
    name = await asyncio.wrap_future(loop.submit(thread_name()))
    assert name == threading.current_thread().name
    with pytest.raises(RuntimeError, match="does not run"), loop.lent():
        pass
    loop.close()
    assert asyncio.get_running_loop().is_running()
