"""An in-process engine in a process of its own.

An ``Engine`` shuts down by killing every child of its process, which in pytest's own would be the servers under test.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from superinfer.srt.defaults import CPU_OVERLAP
from support import forks

_engine = None


def _start(settings, environment):
    global _engine
    if environment:
        forks.enter(environment)
    # Overlap unless a case says otherwise, as on a GPU. What a CPU does by default is what the e2e tests see.
    os.environ[CPU_OVERLAP] = "" if settings.get("disable_overlap_schedule") else "1"
    from superinfer import Engine

    _engine = Engine(**settings)


def _generate(kwargs):
    outputs = _engine.generate(**kwargs)
    return list(outputs) if kwargs.get("stream") else outputs


def _flush_cache():
    _engine.flush_cache()


def _started():
    """Nothing to do once the initializer is through."""


def _shutdown():
    _engine.shutdown()


class RemoteEngine:
    """``generate`` of an engine elsewhere; a stream comes as the list of its chunks."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def generate(self, **kwargs):
        return self._pool.submit(_generate, kwargs).result(timeout=120)

    def flush_cache(self):
        self._pool.submit(_flush_cache).result(timeout=120)


@contextmanager
def running_engine(*, spawned: bool = False, **settings) -> Iterator[RemoteEngine]:
    """An engine with these settings; ``spawned``, each of its processes begins from nothing, as a user's does."""
    context, environment = (get_context("spawn"), None) if spawned else (forks.context(), dict(os.environ))
    with ProcessPoolExecutor(1, context, initializer=_start, initargs=(settings, environment)) as pool:
        pool.submit(_started).result(timeout=300)
        yield RemoteEngine(pool)
        pool.submit(_shutdown).result(timeout=60)
