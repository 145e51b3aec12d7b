"""Requests side by side, to a server with a host tier."""

import time
from concurrent.futures import ThreadPoolExecutor

from integration.host.engines import GREEDY, prompt
from integration.test_abort import scheduler_state


class Clients:
    """Requests side by side."""

    def __init__(self, server):
        self.http = server.client()
        self.pool = ThreadPoolExecutor(8)

    def send(self, ids, new_tokens=12, cls="batch", rid=None):
        params = GREEDY | {"max_new_tokens": new_tokens, "custom_params": {"slo": {"class": cls}}}
        body = {"input_ids": ids, "sampling_params": params} | ({"rid": rid} if rid else {})
        return self.pool.submit(lambda: self.http.post("/generate", json=body).json())

    def answer(self, *args, **kwargs):
        return self.send(*args, **kwargs).result()

    def host(self):
        return scheduler_state(self.http)["host"]

    def until(self, reached, what):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if reached(scheduler_state(self.http)):
                return
            time.sleep(0.01)
        raise AssertionError(f"never: {what}")

    def abort(self, rid):
        self.http.post("/abort_request", json={"rid": rid})

    def push_out(self):
        """Fill the device's pool with other things."""
        for index in range(6):
            self.answer(prompt(40 + index, 200), new_tokens=2)

    def wait_behind(self, ids):
        """Somebody runs; behind them waits a request."""
        running = self.send(prompt(9, 60), new_tokens=700, rid="running")
        self.until(lambda state: state["running_total"] == 1, "running")
        return running, self.send(ids, rid="waiting")

    def begin_a_load(self, ids):
        """The same, until its prefix is on its way."""
        running, waiting = self.wait_behind(ids)
        self.until(lambda state: state["host"]["on_their_way"] == 1, "a load")
        return running, waiting
