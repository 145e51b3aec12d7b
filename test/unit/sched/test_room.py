import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.claim import DUE, REST, Claim
from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.room import Room
from unit.sched.jobs import job

pytestmark = pytest.mark.unit

ROOM = Room(slice_us=1000, max_parked=4)


def claim(band, made):
    return Claim(band, 0, 0.0, made.state.seq, made)


def resident(seq, band, tokens, slice_us=5000):
    return claim(band, job(seq, prompt=tokens, phase=Phase.RUNNING, slice_us=slice_us))


def newcomer(seq, band, tokens):
    return claim(band, job(seq, prompt=tokens))


def make(claims, capacity):
    chosen, parked = ROOM.make(sorted(claims), Pool(capacity, 0))
    return [c.job.state.seq for c in chosen], [j.state.seq for j in parked]


def test_what_fits_comes_in_and_nobody_goes():
    assert make([resident(0, REST, 10), newcomer(1, DUE, 10)], capacity=22) == ([1, 0], [])


def test_a_newcomer_of_an_earlier_band_displaces_the_last_in_order():
    claims = [resident(0, REST, 10), resident(1, REST + 2, 10), newcomer(2, DUE, 10)]
    assert make(claims, capacity=22) == ([2, 0], [1])


def test_equal_never_displaces_equal():
    assert make([resident(1, REST, 10), newcomer(0, REST, 10)], capacity=11) == ([1], [])


def test_nobody_is_displaced_before_the_end_of_its_slice():
    claims = [resident(0, REST, 10, slice_us=999), newcomer(1, DUE, 10)]
    assert make(claims, capacity=11) == ([0], [])


def test_nobody_is_displaced_in_vain():
    assert make([resident(0, REST, 10), newcomer(1, DUE, 100)], capacity=50) == ([0], [])


def test_what_does_not_fit_is_passed_by_what_does():
    claims = [newcomer(0, DUE, 100), newcomer(1, DUE, 10)]
    assert make(claims, capacity=50) == ([1], [])


def test_residents_that_outgrow_the_pool_leave_from_the_end():
    claims = [resident(0, REST, 10, slice_us=0), resident(1, REST, 10, slice_us=0)]
    assert make(claims, capacity=21) == ([0], [1])


@given(
    members=st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(1, 60), st.integers(0, 3000)), max_size=12
    ),
    capacity=st.integers(1, 200),
)
def test_the_pool_is_never_overfull_and_never_idle_for_nothing(members, capacity):
    claims = [
        resident(seq, band, tokens, slice_us) if inside else newcomer(seq, band, tokens)
        for seq, (inside, band, tokens, slice_us) in enumerate(members)
    ]
    chosen, parked = ROOM.make(sorted(claims), Pool(capacity, 0))
    used = sum(c.need for c in chosen)
    assert used <= capacity
    taken = {c.job.state.seq for c in chosen}
    assert taken.isdisjoint(j.state.seq for j in parked)
    outside = [c for c in claims if not c.resident and c.job.state.seq not in taken]
    assert all(c.need > capacity - used for c in outside) or parked
