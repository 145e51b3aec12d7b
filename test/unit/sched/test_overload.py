"""A queue under lasting overload: one server, a request every 100 ms, more work than it can do."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from superinfer.sched import AgedLane, Band, Candidate, SlackOrder
from superinfer.slo import SLO
from unit.sched.factory import MS, cost_model, state

pytestmark = pytest.mark.unit

SERVICE_MS = 100
TOKENS = 100
SECONDS = 60
AGED_EVERY = 8
COST = cost_model(token_ms=SERVICE_MS // TOKENS)
ORDER = SlackOrder(urgent_us=1000 * MS, bucket_us=10 * MS, max_wait_us=5000 * MS)


@dataclass(frozen=True)
class Served:
    state: object
    band: Band
    done_ms: int

    @property
    def met(self):
        return self.done_ms * MS <= self.state.first_due_us


def arrivals():
    """110% of the capacity wants a first token within a second; another 20% has all the time in the world."""
    times = [(SLO(cls="interactive"), ms) for ms in range(0, SECONDS * 1000, 91)]
    times += [(SLO(cls="batch"), ms) for ms in range(0, SECONDS * 1000, 500)]
    times.sort(key=lambda item: item[1])
    return [state(slo, seq=seq, arrival_ms=ms) for seq, (slo, ms) in enumerate(times)]


def serve(choose):
    """Serve one request at a time; ``choose(waiting, now_us)`` names the next and its band."""
    coming, waiting, served = arrivals(), [], []
    for now_ms in range(0, SECONDS * 1000, SERVICE_MS):
        while coming and coming[0].arrival_us <= now_ms * MS:
            waiting.append(coming.pop(0))
        chosen, band = choose(waiting, now_ms * MS)
        waiting.remove(chosen)
        served.append(Served(chosen, band, now_ms + SERVICE_MS))
    return served


def by_slack():
    lane = AgedLane(AGED_EVERY)

    def choose(waiting, now_us):
        candidates = [Candidate(item, uncached_tokens=TOKENS, remaining_tokens=1) for item in waiting]
        order = ORDER.decide(candidates, now_us, COST, aged_lane_open=lane.open)
        first = order.indices[0]
        lane.admit(aged=order.bands[first] is Band.AGED)
        return waiting[first], order.bands[first]

    return choose


def in_order_of_arrival(waiting, now_us):
    return waiting[0], Band.CALM


def share_met(served):
    interactive = [item.met for item in served if item.state.slo.cls == "interactive"]
    return sum(interactive) / len([item for item in arrivals() if item.slo.cls == "interactive"])


@pytest.fixture(scope="module")
def served():
    return serve(by_slack())


def test_most_of_those_in_a_hurry_are_served_in_time(served):
    # 1 in 8 admissions is the aged lane's, and 7/8 of the capacity is 80% of what is asked for.
    assert share_met(served) > 0.75
    assert share_met(serve(in_order_of_arrival)) < 0.25


def test_nobody_is_left_behind(served):
    """The aged lane works through the arrivals in order, the hopelessly late ones among them."""
    aged = [item.state.seq for item in served if item.band is Band.AGED]
    assert aged == sorted(aged)
    assert set(range(aged[-1])) <= {item.state.seq for item in served}
    assert sum(item.state.slo.cls == "batch" for item in served) > 30


def test_the_aged_lane_opens_in_time_and_takes_no_more_than_its_share(served):
    aged = [index for index, item in enumerate(served) if item.band is Band.AGED]
    assert aged[0] * SERVICE_MS <= 5000 + AGED_EVERY * SERVICE_MS
    gaps = [later - earlier for earlier, later in pairwise(aged)]
    assert set(gaps) == {AGED_EVERY}
