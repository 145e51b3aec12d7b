from collections import Counter
from types import SimpleNamespace

import pytest

from superinfer.srt.lookups import Lookups

pytestmark = pytest.mark.unit


def queue(*rids):
    return [SimpleNamespace(rid=f"r{rid}") for rid in rids]


def due(lookups, waiting):
    return [int(req.rid[1:]) for req in lookups.due(waiting)]


def test_newcomers_are_looked_up_at_once():
    lookups = Lookups(in_turn=2)
    assert due(lookups, queue(*range(5))) == [0, 1, 2, 3, 4]
    assert due(lookups, queue(*range(5), 5, 6))[-2:] == [5, 6]


def test_the_others_have_their_turn():
    lookups, waiting = Lookups(in_turn=2), queue(*range(5))
    lookups.due(waiting)
    seen = Counter(rid for _ in range(5) for rid in due(lookups, waiting))
    assert seen == dict.fromkeys(range(5), 2)


def test_who_comes_back_is_a_newcomer():
    lookups = Lookups(in_turn=1)
    lookups.due(queue(0, 1, 2, 3))
    lookups.due(queue(0, 1, 2))
    assert 3 in due(lookups, queue(0, 1, 2, 3))


def test_a_short_queue_is_looked_up_in_every_pass():
    lookups = Lookups(in_turn=4)
    assert [due(lookups, queue(0, 1, 2)) for _ in range(3)] == [[0, 1, 2]] * 3
    assert lookups.due([]) == []
