"""Benchmarks that are told to end."""

import asyncio
import os
import signal

import pytest
from benchmark import ending

pytestmark = pytest.mark.unit


def test_what_was_started_is_ended_on_sigterm():
    ended = []

    async def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            ended.append("server")

    with pytest.raises(SystemExit) as end:
        ending.run(work())
    assert (end.value.code, ended) == (143, ["server"])


def test_otherwise_it_returns_what_was_done():
    assert ending.run(asyncio.sleep(0, "done")) == "done"
