"""Nobody waits for ever, whoever else comes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.slo import SLO
from unit.sched.jobs import BATCH, CHAT, known_machine
from unit.sched.replay import STEP_US, Replay

pytestmark = pytest.mark.unit

WAIT_US = 400_000
TIGHT = SLO(cls="interactive", ttft_ms=200, tpot_ms=25)
ARRIVAL = st.tuples(st.sampled_from([CHAT, TIGHT, BATCH]), st.integers(1, 1400))


def waits_us(replay):
    return [replay.now_us - job.waiting_since_us for job in replay.jobs if job.phase is not Phase.RUNNING]


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(ARRIVAL, max_size=15),
    later=st.lists(st.lists(ARRIVAL, max_size=2), min_size=30, max_size=60),
    ends=st.integers(1, 9),
)
def test_the_wait_is_at_most_the_bound_and_a_step_for_each_aged_request(first, later, ends):
    policy = RotationPolicy(RotationSettings(max_wait_us=WAIT_US), step_time=known_machine())
    replay, seq, most_aged = Replay(policy, capacity=1500), 0, 0
    for arrivals in [first, *later]:
        for slo, prompt in arrivals:
            replay.arrive(seq, slo, prompt)
            seq += 1
        replay.step()
        if seq % ends == 0:
            replay.finish(seq)
        most_aged = max(most_aged, sum(wait_us > WAIT_US for wait_us in waits_us(replay)))
        assert max(waits_us(replay), default=0) <= WAIT_US + (most_aged + 1) * STEP_US
