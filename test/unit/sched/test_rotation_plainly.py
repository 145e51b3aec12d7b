"""The fast decision is the plain one, pass after pass."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.slo import SLO
from unit.sched.jobs import known_machine
from unit.sched.plain_rotation import PlainRotation
from unit.sched.replay import Replay

pytestmark = pytest.mark.unit

MS = 1000
PROMISES = [
    SLO(cls="interactive", ttft_ms=1000, tpot_ms=100),
    SLO(cls="interactive", ttft_ms=300, min_tps=30.0, tenant="a"),
    SLO(cls="interactive", tpot_ms=40, deadline_ms=4000, tenant="b"),
    SLO(cls="batch", deadline_ms=20_000, tenant="a"),
    SLO(cls="batch", tenant="b"),
    SLO(cls="batch"),
]
SETTINGS = [
    RotationSettings(),
    RotationSettings(max_step_us=90_000, max_chunk_tokens=300, max_wait_us=700_000, bucket_us=7_000, max_parked=2),
]
REQUEST = st.tuples(st.sampled_from(PROMISES), st.integers(1, 2500))
HISTORY = st.sampled_from([(Phase.WAITING, 0), (Phase.RUNNING, 1), (Phase.RUNNING, 40), (Phase.PARKED, 9)])
EVENT = st.one_of(
    st.tuples(st.just("arrive"), REQUEST),
    st.tuples(st.just("evict"), st.integers(0, 99)),
    st.tuples(st.just("finish"), st.integers(0, 99)),
    st.tuples(st.just("step"), st.sampled_from([5 * MS, 40 * MS, 300 * MS])),
)


@settings(max_examples=120, deadline=None)
@given(
    present=st.lists(st.tuples(REQUEST, HISTORY, st.integers(0, 900 * MS)), max_size=25),
    events=st.lists(EVENT, max_size=25),
    capacity=st.integers(1000, 20_000),
    rows=st.sampled_from([2, 6, 1000]),
    options=st.sampled_from(SETTINGS),
    known=st.booleans(),
)
def test_the_fast_decision_is_the_plain_one_over_many_passes(present, events, capacity, rows, options, known):
    machines = (known_machine(), known_machine()) if known else ()
    fast, plain = RotationPolicy(options), PlainRotation(options)
    for policy, machine in zip((fast, plain), machines, strict=False):
        machine.loads.observe(1000, 40_000)
        policy.step_time = machine
    replays = [Replay(policy, capacity, rows, now_us=1_000 * MS) for policy in (fast, plain)]
    for replay in replays:
        for seq, ((slo, prompt), (phase, generated), slice_us) in enumerate(present):
            replay.arrive(seq, slo, prompt, phase=phase, generated=generated, slice_us=slice_us, fixed=seq % 5 == 4)
    for seq, (event, detail) in enumerate(events, len(present)):
        for replay in replays:
            if event == "arrive":
                replay.arrive(seq, *detail)
            elif event == "evict":
                replay.evict(detail)
            elif event == "finish":
                replay.finish(detail)
        first, second = (replay.step(*([detail] if event == "step" else [])) for replay in replays)
        assert first == second
