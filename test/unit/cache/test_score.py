"""What a hit is worth."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cache.evictor import Evictor
from superinfer.cache.learned import Learned
from superinfer.cache.score import MOST_PRESSED, Cost
from superinfer.cache.use import Use
from unit.cache.factory import constant

pytestmark = pytest.mark.unit

COST = Cost(token_ms=1.0, pair_ms=0.001)


def test_deeper_tokens_take_longer_to_compute_and_are_worth_more():
    assert COST.worth(0, 100) == pytest.approx(1.05)
    assert COST.worth(1000, 100) == pytest.approx(2.05)


def test_worth_does_not_depend_on_how_fast_the_machine_is():
    slower = Cost(token_ms=7.0, pair_ms=0.007)
    assert slower.worth(1000, 100) == pytest.approx(COST.worth(1000, 100))
    assert Cost(token_ms=0.0).worth(1000, 100) == 1.0


def test_a_prefix_that_takes_half_of_the_slack_counts_half_as_much_again():
    cost = Cost(token_ms=1.0)
    assert cost.worth(400, 100, slack_ms=1000.0) == pytest.approx(1.5)
    assert cost.worth(400, 100, slack_ms=inf) == 1.0
    assert cost.worth(400, 100, slack_ms=1.0) == 1.0 + MOST_PRESSED


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.floats(1, 1e6), st.floats(1, 1e6))
def test_less_slack_is_never_worth_less(start, tokens, slack_ms, other_ms):
    tight, loose = sorted((slack_ms, other_ms))
    assert COST.worth(start, tokens, tight) >= COST.worth(start, tokens, loose) >= COST.worth(start, tokens)


@pytest.mark.parametrize("first", [0, 1])
def test_who_has_no_slack_goes_first(first):
    """Two that are as likely to come back: that of a batch request makes room for the other, whichever came first."""
    evictor = Evictor(Learned(constant(0.1, 0.1, 0.1, 0.1), Cost(token_ms=1.0)))
    for seq, name in enumerate(("batch", "chat") if first else ("chat", "batch")):
        evictor.insert(name, None, 500, Use(seq, 0.0, 500, slack_ms=1000.0 if name == "chat" else inf))
    assert evictor.victims(1, 0.5) == ["batch"]
