"""Child processes of the server, forked where that is safe.

SGLang spawns its scheduler and detokenizer: each is a new interpreter that imports torch and SGLang again, for ten
seconds of processor time. The launcher has all of that in memory, so a fork starts where the launcher is, and shares
its pages. A fork takes only the calling thread along, and no driver state: it is used on the CPU and while the launcher
has one thread, which is so until its tokenizer manager starts. Everything else is spawned as before.

What the C library reads from the environment when a program starts has to be there when the launcher starts.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from typing import Any


def start_with(variables: Mapping[str, str]) -> None:
    """Start this program anew, in this process, unless its environment has ``variables`` already.

    Whatever the operator has set stays.
    """
    missing = {name: value for name, value in variables.items() if name not in os.environ}
    if missing and sys.platform == "linux":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})


def fork_when_safe() -> None:
    """Let SGLang's launcher, in this process, create its children through ``Processes``."""
    from sglang.srt.entrypoints import engine

    engine.mp = Processes()


class Processes:
    """The ``multiprocessing`` module, as far as SGLang's launcher uses it, with its own choice of start method."""

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:
        """A process object that will be forked if that is safe now, else spawned; arguments as in the module."""
        if can_fork():
            return multiprocessing.get_context("fork").Process(*args, **kwargs)
        return multiprocessing.get_context("spawn").Process(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing, name)


def can_fork() -> bool:
    """Whether a fork of this process now would be whole: Linux, on the CPU, one thread (native threads included)."""
    if sys.platform != "linux":
        return False
    from sglang.srt.platforms import current_platform

    from superinfer.srt.cpu import PortableCpuPlatform

    return isinstance(current_platform, PortableCpuPlatform) and len(os.listdir("/proc/self/task")) == 1
