"""OpenMP threads: all of them for the scheduler process, which computes, and one for each of the others.

Thread pools of idle processes spin and steal cores from the one that works.
"""

import os

THREADS_ENV = "SUPERINFER_COMPUTE_THREADS"
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Large allocations on huge pages, where the system leaves that to programs: attention reads KV rows from all over the
pool, and with small pages each of them misses the address cache. A program reads it when it starts."""

_POOL_ENVS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def reserve_for_scheduler() -> None:
    """In the launcher, before torch is imported: one thread here, the operator's number in the scheduler.

    An ``OMP_NUM_THREADS`` that the operator has set is understood as the number of compute threads.
    """
    os.environ.setdefault(THREADS_ENV, os.environ.get("OMP_NUM_THREADS") or str(usable_cores()))
    for name, value in HUGE_PAGES.items():
        os.environ.setdefault(name, value)
    limit_threads(1)


def limit_threads(count: int) -> None:
    """Set the size of thread pools that libraries create from now on."""
    os.environ.update(dict.fromkeys(_POOL_ENVS, str(count)))


def use_compute_threads() -> None:
    """In the scheduler process, on the thread that computes: as many threads as ``reserve_for_scheduler`` reserved.

    Unpickling this process's arguments has loaded torch already, with the launcher's one thread: the variables alone
    would come too late.
    """
    count = int(os.environ.get(THREADS_ENV, "0"))
    if count > 0:
        import torch

        limit_threads(count)
        torch.set_num_threads(count)
