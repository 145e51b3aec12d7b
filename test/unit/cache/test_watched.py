import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cache import watched
from superinfer.cache.calibration import Calibration
from superinfer.cache.watched import Watched

pytestmark = pytest.mark.unit

EDGES_S = [1.0, 4.0, 16.0]
STEPS = st.lists(
    st.tuples(st.floats(0, 3), st.sampled_from(["watch", "forget", "advance"]), st.sets(st.integers(0, 9), min_size=1)),
    max_size=60,
)


def after(steps):
    """What has been learnt after some steps, each so many seconds after the one before."""
    corrections, now_s = Calibration(EDGES_S), 0.0
    for later_s, what, slots in steps:
        now_s += later_s
        if what == "watch":
            logits = np.array([[slot / 5 - 1] * 3 for slot in sorted(slots)], np.float32)
            corrections.watch_all({slot: (now_s, (1 + slot % 2, 0)) for slot in sorted(slots)}, logits)
        elif what == "forget":
            for slot in slots:
                corrections.forget(slot)
        else:
            corrections.advance(now_s)
    return corrections.state


@given(STEPS)
def test_a_ring_that_had_to_grow_has_learnt_the_same(steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched, "FIRST_ROOM", 1)
        small = after(steps)
    for mine, other in zip(small, after(steps), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_places_are_used_again_once_their_last_horizon_has_ended():
    ring = Watched(1)
    for _ in range(10):
        places = ring.add([3] * 1000, [0.0] * 1000, np.zeros((1000, 1), np.float32), [(0, 0)] * 1000)
        ring.first[:] = places.stop
    assert len(ring.slot) == watched.FIRST_ROOM


def test_what_has_not_ended_keeps_its_place():
    ring = Watched(2)
    ring.first[:] = ring.end = 1000
    ring.add([7], [5.0], np.ones((1, 2), np.float32), [(1, 2)])
    ring.add([8] * 1100, [6.0] * 1100, np.zeros((1100, 2), np.float32), [(0, 0)] * 1100)
    at = 1000 % len(ring.slot)
    assert len(ring.slot) > watched.FIRST_ROOM
    assert (ring.slot[at], ring.since_s[at], ring.groups[at].tolist()) == (7, 5.0, [1, 2])
    assert ring.logits[at].tolist() == [1.0, 1.0]
    assert ring.follows[at]
