from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from superinfer.sched import AgedLane, SkipAhead, SLOState
from unit.sched.factory import state

pytestmark = pytest.mark.unit

MEMORY = 10


@dataclass(eq=False)
class Waiting:
    size: int
    state: SLOState = field(default_factory=state)


class Admission(RuleBasedStateMachine):
    """An engine with ``MEMORY`` units that runs admission passes the way SGLang's loop does."""

    @initialize(limit=st.integers(0, 4), max_passed=st.integers(0, 5))
    def configure(self, limit, max_passed):
        self.limit, self.max_passed = limit, max_passed
        self.queue, self.running = [], []
        self.overtaken = Counter()

    @property
    def free(self):
        return MEMORY - sum(item.size for item in self.running)

    @rule(size=st.integers(1, MEMORY), front=st.booleans())
    def arrive(self, size, front):
        """The newcomer may be urgent and go first; that is order, not overtaking."""
        self.queue.insert(0 if front else len(self.queue), Waiting(size))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data):
        self.running.remove(data.draw(st.sampled_from(self.running)))

    @rule()
    def run_a_pass(self):
        skip = SkipAhead(self.limit, self.max_passed)
        refused = []
        for item in list(self.queue):
            if skip.blocked:
                break
            if item.size <= self.free:
                self.queue.remove(item)
                self.running.append(item)
                skip.admit()
                self.overtaken.update(refused)
            elif skip.refuse(item.state):
                refused.append(item)
            else:
                break
        assert len(refused) <= self.limit

    @precondition(lambda self: self.queue)
    @rule()
    def drain_and_run_a_pass(self):
        """Once the running requests have left, the first in the queue gets in, whatever its size."""
        self.running.clear()
        first = self.queue[0]
        self.run_a_pass()
        assert first in self.running

    @invariant()
    def nobody_is_overtaken_more_often_than_promised(self):
        assert max(self.overtaken.values(), default=0) <= self.max_passed


TestAdmission = Admission.TestCase


def test_a_pass_goes_past_so_many_refused_requests():
    skip = SkipAhead(limit=2, max_passed=9)
    assert [skip.refuse(state()) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("skip", [SkipAhead(limit=0, max_passed=9), SkipAhead(limit=9, max_passed=0)])
def test_without_allowance_admission_is_strictly_in_order(skip):
    assert not skip.refuse(state())


def test_a_refused_request_becomes_a_barrier_within_the_pass():
    skip, patient = SkipAhead(limit=2, max_passed=2), state()
    assert skip.refuse(patient)
    skip.admit()
    assert not skip.blocked
    skip.admit()
    assert skip.blocked
    assert patient.passed_over == 2


def test_a_barrier_stays_one_in_later_passes():
    patient = state()
    patient.passed_over = 2
    assert not SkipAhead(limit=2, max_passed=2).refuse(patient)


def test_admissions_before_a_refusal_do_not_count_as_overtaking():
    skip, late = SkipAhead(limit=2, max_passed=2), state()
    skip.admit()
    assert skip.refuse(late)
    assert late.passed_over == 0


@given(st.integers(1, 20), st.integers(1, 10))
def test_the_kth_aged_request_is_admitted_within_k_times_every(every, count):
    lane, aged_at = AgedLane(every), []
    for admission in range(1, count * every + 1):
        if lane.open:
            aged_at.append(admission)
        lane.admit(aged=lane.open)
    assert aged_at == [every * (k + 1) for k in range(count)]


@given(st.integers(1, 10), st.lists(st.booleans(), max_size=60))
def test_the_lane_stays_open_until_taken_and_takes_at_most_one_in_every(every, takers):
    lane, since = AgedLane(every), 0
    for taker in takers:
        assert lane.open == (since >= every - 1)
        aged = lane.open and taker
        lane.admit(aged=aged)
        since = 0 if aged else since + 1
