from types import SimpleNamespace

import pytest

from superinfer.srt import threads

pytestmark = pytest.mark.unit

POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@pytest.fixture
def environ(monkeypatch):
    replacement = {}
    monkeypatch.setattr(threads, "os", SimpleNamespace(environ=replacement))
    return replacement


def test_a_limit_is_for_every_kind_of_pool(environ):
    threads.limit_threads(3)
    assert environ == dict.fromkeys(POOLS, "3")


def test_without_a_reservation_nothing_changes(environ):
    threads.use_compute_threads()
    assert environ == {}


@pytest.mark.parametrize(
    ("given", "compute"),
    [({}, "6"), ({"OMP_NUM_THREADS": ""}, "6"), ({"OMP_NUM_THREADS": "4"}, "4"), ({threads.THREADS_ENV: "2"}, "2")],
)
def test_the_launcher_takes_one_thread_and_leaves_the_rest_to_the_scheduler(environ, monkeypatch, given, compute):
    monkeypatch.setattr(threads, "usable_cores", lambda: 6)
    environ.update(given)
    threads.reserve_for_scheduler()
    expected = {threads.THREADS_ENV: compute, **threads.HUGE_PAGES, **dict.fromkeys(POOLS, "1")}
    assert environ == expected


def test_reserving_twice_keeps_the_first_number(environ, monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 6)
    threads.reserve_for_scheduler()
    threads.reserve_for_scheduler()
    assert environ[threads.THREADS_ENV] == "6"


def test_usable_cores_are_those_this_process_may_run_on(monkeypatch):
    monkeypatch.setattr(threads, "os", SimpleNamespace(sched_getaffinity=lambda process: {0, 5}))
    assert threads.usable_cores() == 2


@pytest.mark.parametrize(("count", "cores"), [(4, 4), (None, 1)])
def test_systems_without_affinity_count_all_cores(monkeypatch, count, cores):
    monkeypatch.setattr(threads, "os", SimpleNamespace(cpu_count=lambda: count))
    assert threads.usable_cores() == cores
