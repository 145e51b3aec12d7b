"""How the server's processes are started."""

import multiprocessing
import os
import subprocess
import sys
import threading
from types import ModuleType

import pytest

from superinfer.srt import children

pytestmark = pytest.mark.unit


class OurPlatform:
    """Stands for the CPU platform."""


@pytest.fixture
def platform(monkeypatch):
    """A function that makes an object the platform in force."""
    ours = ModuleType("superinfer.srt.cpu")
    ours.PortableCpuPlatform = OurPlatform
    monkeypatch.setitem(sys.modules, "superinfer.srt.cpu", ours)

    def choose(current):
        stock = ModuleType("sglang.srt.platforms")
        stock.current_platform = current
        monkeypatch.setitem(sys.modules, "sglang.srt.platforms", stock)

    return choose


@pytest.fixture
def threads(monkeypatch):
    """A function that sets how many threads this process seems to have."""
    return lambda count: monkeypatch.setattr(os, "listdir", lambda path: [str(n) for n in range(count)])


@pytest.mark.parametrize(
    ("current", "count", "forks"),
    [(OurPlatform(), 1, True), (OurPlatform(), 2, False), (object(), 1, False)],
    ids=["alone on the CPU", "a second thread", "another device"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_a_process_is_forked_only_where_the_fork_is_whole(platform, threads, current, count, forks):
    platform(current)
    threads(count)
    process = children.Processes().Process(target=print)
    assert type(process).__name__ == ("ForkProcess" if forks else "SpawnProcess")


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_threads_are_those_of_this_process(platform):
    platform(OurPlatform())
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert not children.can_fork()
    finally:
        done.set()
        other.join()


def test_everything_else_is_the_modules():
    assert children.Processes().Pipe == multiprocessing.Pipe


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such variables")
@pytest.mark.parametrize(("given", "seen"), [({}, "ours"), ({"FOR_THE_C_LIBRARY": "theirs"}, "theirs")])
def test_a_program_starts_anew_once_with_what_is_missing(given, seen):
    code = (
        "import os, sys\nfrom superinfer.srt.children import start_with\nprint('start', flush=True)\n"
        "start_with({'FOR_THE_C_LIBRARY': 'ours'})\nprint(os.environ['FOR_THE_C_LIBRARY'], sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "an argument"]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=True)
    starts = ["start"] * (1 if given else 2)
    assert done.stdout.splitlines() == [*starts, f"{seen} ['an argument']"]
