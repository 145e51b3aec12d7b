"""Percentiles, spreads and ratios against values worked out by hand."""

import pytest
from benchmark.engine.stats import Spread, ratio
from hypothesis import given
from hypothesis import strategies as st

from superinfer.workload.attainment import percentile

pytestmark = pytest.mark.unit

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (25, 1), (26, 2), (50, 2), (75, 3), (99, 4), (100, 4)])
def test_percentile_is_the_nearest_rank(percent, expected):
    assert percentile([4, 2, 1, 3], percent) == expected


@given(VALUES, st.floats(0, 100))
def test_percentile_is_the_least_value_that_covers_its_share(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(v <= found for v in values) >= percent / 100 * len(values)
    assert sum(v < found for v in values) < max(percent / 100 * len(values), 1)


def test_spread():
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(median=3.0, min=1.0, max=10.0)
    assert Spread.of([5.0]) == Spread(5.0, 5.0, 5.0)


def test_ratio_is_a_geometric_mean():
    medians = {"ours": {"a": 20.0, "b": 80.0}, "theirs": {"a": 10.0, "b": 10.0}}
    assert ratio(medians, ["a"], "ours", "theirs") == pytest.approx(2.0)
    assert ratio(medians, ["a", "b"], "ours", "theirs") == pytest.approx(4.0)


def test_ratio_leaves_out_what_one_engine_lacks():
    medians = {"ours": {"a": 20.0, "b": 80.0}, "theirs": {"a": 10.0}}
    assert ratio(medians, ["a", "b"], "ours", "theirs") == pytest.approx(2.0)
    assert ratio(medians, ["b"], "ours", "theirs") is None
    assert ratio(medians, ["a"], "ours", "nobody") is None
