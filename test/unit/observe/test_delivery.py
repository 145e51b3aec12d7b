import pytest

from superinfer.observe.delivery import Continuity, Gap
from superinfer.observe.events import EventBatch

pytestmark = pytest.mark.unit


def gaps(*batches):
    continuity = Continuity()
    return [continuity.see(EventBatch(seq, 0, [], dropped)) for seq, dropped in batches]


def test_nothing_is_missing():
    assert gaps((5, 3), (6, 3), (7, 3)) == [None, None, None]


def test_the_first_batch_is_taken_as_it_is():
    assert gaps((1_000, 17)) == [None]


def test_batches_are_missing():
    assert gaps((0, 0), (4, 0), (5, 0)) == [None, Gap(batches=3), None]


def test_the_publisher_dropped_events():
    assert gaps((0, 2), (1, 9), (2, 9)) == [None, Gap(events=7), None]


def test_both():
    assert gaps((0, 0), (3, 5)) == [None, Gap(batches=2, events=5)]


@pytest.mark.parametrize("fresh", [(0, 0), (9, 4), (10, 0)])
def test_the_publisher_was_started_anew(fresh):
    seq, dropped = fresh
    assert gaps((9, 4), fresh, (seq + 1, dropped)) == [None, Gap(restarted=True), None]
