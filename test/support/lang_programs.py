"""Programs for an engine in this process, which a test starts in a process of its own."""

import asyncio
import time

import superinfer
from superinfer import EngineBackend, gen, select
from support.forks import enter

_backend = None


def start(model_path, environment):
    global _backend
    enter(environment)
    engine = superinfer.Engine(model_path=model_path, max_total_tokens=2048, random_seed=0)
    _backend = EngineBackend(engine)
    superinfer.set_default_backend(_backend)


def shutdown():
    _backend.close()
    _backend._engine.shutdown()


@superinfer.function(slo={"deadline_ms": 100_000})
def forks(s):
    s += "A beginning that all branches share. " + select("choice", ["left", "right"])
    s += gen("digit", max_tokens=4, dtype=int)
    branches = s.fork(2, slo=["interactive", "batch"])
    branches += gen("tip", max_tokens=8)
    branches.join()


@superinfer.function
def count(s, prompt, tokens=8):
    s += prompt + gen("a", max_tokens=tokens, ignore_eos=True)


def run_forks():
    state = forks.run(temperature=0)
    return {name: state[name] for name in ("choice", "digit", "tip")}, state.slo_report()


def run_stream():
    state = count.run("abc", stream=True)
    return list(state.text_iter("a")), state["a"]


def run_async():
    return asyncio.run(_many_and_one_cancelled())


def run_bad():
    try:
        count.run("abc", slo="no-such-class")
    except ValueError as error:
        return str(error)


def borrow():
    with _backend.lent() as engine:
        text = engine.generate("abc", {"max_new_tokens": 4, "ignore_eos": True})["text"]
    return text, _backend.get_server_info()["model_path"], _backend.flush_cache().success


async def _many_and_one_cancelled():
    states = await asyncio.gather(*(count.arun("x" * i) for i in range(1, 21)))
    task = asyncio.create_task(count.arun("abc", tokens=900))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    begun = time.monotonic()
    while not _backend.flush_cache().success:
        await asyncio.sleep(0.05)
    return [len(state["a"]) for state in states], time.monotonic() - begun
