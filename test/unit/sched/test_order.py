from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched import Band, SlackOrder, slack_us
from superinfer.slo import SLO
from unit.sched.factory import MS, candidate, cost_model

pytestmark = pytest.mark.unit

ORDER = SlackOrder(urgent_us=10_000 * MS, bucket_us=50 * MS, max_wait_us=60_000 * MS)
COST = cost_model(step_ms=10, token_ms=1)
NOW_MS = 100_000

TARGETS = st.builds(
    SLO,
    cls=st.sampled_from(["interactive", "standard", "batch"]),
    # Up to 150 s, so that requests are late, urgent and calm at the tick.
    ttft_ms=st.none() | st.integers(1, 150_000),
    deadline_ms=st.none() | st.integers(150_000, 300_000),
)
QUEUES = st.lists(st.tuples(TARGETS, st.integers(0, NOW_MS), st.integers(1, 2000)), max_size=12).map(
    lambda items: [
        candidate(slo, seq=seq, arrival_ms=arrival_ms, uncached=uncached)
        for seq, (slo, arrival_ms, uncached) in enumerate(sorted(items, key=lambda item: item[1]))
    ]
)


def decide(candidates, *, now_ms=NOW_MS, aged_lane_open=False, order=ORDER, cost=COST):
    return order.decide(candidates, now_ms * MS, cost, aged_lane_open=aged_lane_open)


def sequence(candidates, **kwargs):
    """Arrival numbers, first served first, each with its band."""
    order = decide(candidates, **kwargs)
    return [(candidates[index].state.seq, order.bands[index]) for index in order.indices]


def slack_of(candidate):
    return slack_us(candidate.state, NOW_MS * MS, COST, candidate.uncached_tokens, candidate.remaining_tokens)


@given(QUEUES, st.booleans())
def test_is_a_permutation_with_one_band_each(queue, aged_lane_open):
    order = decide(queue, aged_lane_open=aged_lane_open)
    assert sorted(order.indices) == list(range(len(queue)))
    assert len(order.bands) == len(queue)


@given(QUEUES.flatmap(lambda queue: st.tuples(st.just(queue), st.permutations(queue))), st.booleans())
def test_does_not_depend_on_the_order_of_its_input(queues, aged_lane_open):
    queue, shuffled = queues
    assert sequence(queue, aged_lane_open=aged_lane_open) == sequence(shuffled, aged_lane_open=aged_lane_open)


@given(QUEUES)
def test_bands_follow_from_slack_and_the_urgent_go_before_the_late_and_the_calm(queue):
    order = decide(queue)
    for item, band in zip(queue, order.bands, strict=True):
        slack = slack_of(item)
        if slack is None or slack > ORDER.urgent_us:
            assert band is Band.CALM
        else:
            assert band is (Band.URGENT if slack >= 0 else Band.LATE)
    urgent = [order.bands[index] is Band.URGENT for index in order.indices]
    assert urgent == sorted(urgent, reverse=True)


@given(QUEUES)
def test_the_urgent_go_by_slack_and_the_rest_by_class_then_arrival(queue):
    order = decide(queue)
    ordered = [(queue[index], order.bands[index]) for index in order.indices]
    buckets = [slack_of(item) // ORDER.bucket_us for item, band in ordered if band is Band.URGENT]
    assert buckets == sorted(buckets)
    rest = [(item.state.rank, item.state.seq) for item, band in ordered if band is not Band.URGENT]
    assert rest == sorted(rest)


@given(QUEUES.filter(bool), st.data())
def test_asking_for_less_time_never_costs_a_feasible_request_its_place(queue, data):
    index = data.draw(st.integers(0, len(queue) - 1))
    relaxed = queue[index]
    # At the least the time that keeps it feasible: its wait so far, its prefill and one step.
    feasible_ms = NOW_MS - relaxed.state.arrival_us // MS + relaxed.uncached_tokens + 10
    ttft_ms = data.draw(st.integers(feasible_ms, max(feasible_ms, relaxed.state.slo.ttft_ms or 200_000)))
    deadline_ms = relaxed.state.slo.deadline_ms
    if deadline_ms is not None and ttft_ms > deadline_ms:
        return
    tightened = replace(relaxed, state=replace(relaxed.state, slo=replace(relaxed.state.slo, ttft_ms=ttft_ms)))
    if slack_of(relaxed) is not None and slack_of(tightened) > slack_of(relaxed):
        return
    if slack_of(tightened) < 0:
        return
    changed = [*queue[:index], tightened, *queue[index + 1 :]]
    assert decide(changed).indices.index(index) <= decide(queue).indices.index(index)


def test_slacks_in_one_bucket_are_equal_so_class_and_arrival_decide():
    queue = [
        candidate(SLO(cls="batch", ttft_ms=1001), seq=1),
        candidate(SLO(cls="interactive", ttft_ms=1040), seq=2),
        candidate(SLO(cls="interactive", ttft_ms=1010), seq=3),
        candidate(SLO(cls="batch", ttft_ms=999), seq=4),
    ]
    assert [seq for seq, _ in sequence(queue, now_ms=0, cost=cost_model())] == [4, 2, 3, 1]


def test_a_far_deadline_overtakes_nothing():
    far, plain = candidate(SLO(cls="batch", deadline_ms=3_600_000), seq=1), candidate(SLO(cls="standard"), seq=2)
    assert sequence([far, plain]) == [(2, Band.CALM), (1, Band.CALM)]


def test_a_doomed_request_does_not_look_most_urgent():
    doomed = candidate(SLO(cls="batch", ttft_ms=1), seq=1)
    queue = [doomed, candidate(SLO(cls="interactive"), seq=2, arrival_ms=NOW_MS), candidate(seq=3)]
    assert sequence(queue) == [(2, Band.URGENT), (3, Band.CALM), (1, Band.LATE)]


def test_a_request_whose_prefill_no_longer_fits_is_late():
    just, over = (candidate(SLO(ttft_ms=1000), seq=1, uncached=uncached) for uncached in (990, 991))
    assert sequence([just], now_ms=0) == [(1, Band.URGENT)]
    assert sequence([over], now_ms=0) == [(1, Band.LATE)]


def test_the_open_aged_lane_takes_the_eldest_and_only_it():
    queue = [
        candidate(SLO(cls="interactive"), seq=9, arrival_ms=NOW_MS),
        candidate(SLO(cls="batch"), seq=2, arrival_ms=20_000),
        candidate(SLO(cls="batch"), seq=1, arrival_ms=10_000),
    ]
    assert sequence(queue, aged_lane_open=True) == [(1, Band.AGED), (9, Band.URGENT), (2, Band.CALM)]
    assert sequence(queue, aged_lane_open=False) == [(9, Band.URGENT), (1, Band.CALM), (2, Band.CALM)]


@pytest.mark.parametrize(("waited_ms", "band"), [(60_000, Band.CALM), (60_001, Band.AGED)])
def test_a_request_is_aged_once_it_has_waited_longer_than_the_bound(waited_ms, band):
    assert sequence([candidate(seq=1)], now_ms=waited_ms, aged_lane_open=True) == [(1, band)]


def test_an_empty_queue_has_an_empty_order():
    assert decide([], aged_lane_open=True).indices == ()
