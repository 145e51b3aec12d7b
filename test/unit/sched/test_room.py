import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.claim import AGED, DUE, REST, Claims
from superinfer.sched.columns import Reader
from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.room import Room
from superinfer.sched.service import TenantService
from unit.sched.jobs import job

pytestmark = pytest.mark.unit

ROOM = Room(slice_us=1000, max_parked=4)


def resident(seq, band, tokens, slice_us=5000, **fields):
    return band, job(seq, prompt=tokens, phase=Phase.RUNNING, slice_us=slice_us, **fields)


def newcomer(seq, band, tokens):
    return band, job(seq, prompt=tokens)


def places(members, capacity, rows=100):
    """Arrival numbers of the claims in order, and who of them has room."""
    columns = Reader().read([made for _, made in members], TenantService())
    bands = np.array([band for band, _ in members], np.int64)
    claims = Claims.ordered(columns, bands, np.zeros(len(members), np.int64), bands == AGED)
    return columns.terms.seq[claims.index], ROOM.make(claims, Pool(capacity, 0, rows))


def make(members, capacity, rows=100):
    """Arrival numbers of those that may compute, and of those that go."""
    seqs, made = places(members, capacity, rows)
    return seqs[made.computing].tolist(), seqs[made.parked].tolist()


def reasons(members, capacity, rows=100):
    """Why each of those goes, by arrival number."""
    seqs, made = places(members, capacity, rows)
    return dict(zip(seqs[made.parked].tolist(), made.reasons, strict=True))


def test_what_fits_comes_in_and_nobody_goes():
    assert make([resident(0, REST, 10), newcomer(1, DUE, 10)], capacity=22) == ([1, 0], [])


def test_what_lies_elsewhere_takes_no_room():
    members = [resident(0, REST, 30, elsewhere_tokens=20), newcomer(1, DUE, 10)]
    assert make(members, capacity=22) == ([1, 0], [])
    assert make(members, capacity=21) == ([1], [0])


def test_a_newcomer_of_an_earlier_band_displaces_the_last_in_order():
    claims = [resident(0, REST, 10), resident(1, REST + 2, 10), newcomer(2, DUE, 10)]
    assert make(claims, capacity=22) == ([2, 0], [1])


def test_what_one_leaves_over_is_for_those_behind_the_newcomer():
    assert make([resident(0, REST, 90), newcomer(1, DUE, 10), newcomer(2, REST + 1, 70)], 95) == ([1, 2], [0])


def test_equal_never_displaces_equal():
    assert make([resident(1, REST, 10), newcomer(0, REST, 10)], capacity=11) == ([1], [])


def test_nobody_is_displaced_before_the_end_of_its_slice():
    claims = [resident(0, REST, 10, slice_us=999), newcomer(1, DUE, 10)]
    assert make(claims, capacity=11) == ([0], [])


def test_who_must_not_go_stays():
    claims = [resident(0, REST, 10, fixed=True), resident(1, REST, 10), newcomer(2, DUE, 10)]
    assert make(claims, capacity=22) == ([2, 0], [1])
    assert make([resident(0, REST, 10, fixed=True), newcomer(1, DUE, 10)], capacity=11) == ([0], [])
    assert make([resident(0, REST, 10, fixed=True), resident(1, REST, 10)], capacity=5) == ([0], [1])


def test_a_newcomer_needs_a_row_too():
    assert make([resident(0, REST, 10), newcomer(1, REST, 10)], capacity=100, rows=1) == ([0], [])
    claims = [resident(0, REST, 10), resident(1, REST + 2, 10), newcomer(2, DUE, 10), newcomer(3, REST + 1, 10)]
    assert make(claims, capacity=100, rows=2) == ([2, 0], [1])
    assert make([resident(0, REST, 50), newcomer(1, AGED, 10)], capacity=100, rows=1) == ([1], [0])


def test_nobody_is_displaced_in_vain():
    assert make([resident(0, REST, 10), newcomer(1, DUE, 100)], capacity=50) == ([0], [])


def test_what_does_not_fit_is_passed_by_what_does():
    claims = [newcomer(0, DUE, 100), newcomer(1, DUE, 10)]
    assert make(claims, capacity=50) == ([1], [])


def test_residents_that_outgrow_the_pool_leave_from_the_end():
    claims = [resident(0, REST, 10, slice_us=0), resident(1, REST, 10, slice_us=0)]
    assert make(claims, capacity=21) == ([0], [1])


def test_the_longest_aged_gets_its_room_from_as_many_as_it_takes_whatever_their_slices():
    running = [resident(seq, DUE, 10, slice_us=0) for seq in range(8)]
    assert make([*running, newcomer(8, AGED, 76), newcomer(9, AGED, 10)], capacity=88) == (
        [8, 0],
        [7, 6, 5, 4, 3, 2, 1],
    )


def test_aged_residents_stay():
    assert make([resident(0, AGED, 60), newcomer(1, AGED, 50), resident(2, DUE, 20)], capacity=90) == ([0, 2], [])


def test_everybody_who_goes_knows_why():
    inside = [resident(0, REST, 10), resident(1, REST + 2, 10), resident(2, REST + 2, 10)]
    assert reasons([*inside, newcomer(3, DUE, 10)], capacity=33) == {2: "displaced"}
    assert reasons([*inside, newcomer(3, AGED, 5)], capacity=33) == {2: "aged"}
    assert reasons(inside, capacity=22) == {2: "memory"}
    assert reasons([*inside, newcomer(3, AGED, 10)], capacity=22) == {2: "memory", 1: "aged"}
    assert reasons(inside, capacity=33, rows=2) == {2: "memory"}


@given(
    members=st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(1, 60), st.integers(0, 3000)), max_size=12
    ),
    capacity=st.integers(1, 200),
)
def test_the_pool_is_never_overfull_and_never_idle_for_nothing(members, capacity):
    made = [
        resident(seq, band, tokens, slice_us) if inside else newcomer(seq, band, tokens)
        for seq, (inside, band, tokens, slice_us) in enumerate(members)
    ]
    chosen, parked = make(made, capacity)
    need = {j.state.seq: max(j.context_tokens, j.computed_tokens) + 1 for _, j in made}
    used = sum(need[seq] for seq in chosen)
    assert used <= capacity
    assert set(chosen).isdisjoint(parked)
    outside = [j.state.seq for _, j in made if j.phase is Phase.WAITING and j.state.seq not in chosen]
    assert all(need[seq] > capacity - used for seq in outside) or parked
