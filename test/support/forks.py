"""Processes for engines and servers, forked from one that has imported torch, SGLang and SuperInfer.

The imports take a process seven to ten seconds of processor time, and an engine consists of three processes.
"""

import multiprocessing
import os
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from unittest.mock import patch

from superinfer import config
from superinfer.srt import children, threads

IMPORTED = [
    "superinfer.srt.engine",
    "superinfer.srt.rotating_scheduler",
    "superinfer.srt.http",
    "sglang.srt.entrypoints.http_server",
    "sglang.srt.models.registry",
]


@cache
def context() -> BaseContext:
    """The start method; the process to fork from is started with the first call."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(IMPORTED)
    with patch.dict(os.environ, threads.HUGE_PAGES):
        os.environ.pop(config.ENV, None)
        forkserver.ensure_running()
    return found


def enter(environment: Mapping[str, str]) -> None:
    """In a new process: as if it had been started with this environment, and had imported SuperInfer's engine."""
    os.environ.clear()
    os.environ.update(environment)
    if config.active() is None:
        config.enable(config.Config())
    threads.reserve_for_scheduler()
    children.fork_when_safe()


class Forked:
    """A process, with the methods of ``subprocess.Popen``."""

    def __init__(self, target: Callable[..., None], *args: object) -> None:
        self._process = context().Process(target=target, args=args)
        self._process.start()
        self.pid = self._process.pid
        self.poll = lambda: self._process.exitcode
        self.terminate, self.kill = self._process.terminate, self._process.kill

    def wait(self, timeout: float | None = None) -> None:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("forked", timeout)
