from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.line import Line

pytestmark = pytest.mark.unit

WEIGHT = st.floats(0.0, 50.0)


def taught(weights, observations=60, noise=0.0, seed=0):
    random, line = Random(seed), Line((1.0, 10.0, 100.0))
    for _ in range(observations):
        features = (1.0, random.uniform(0, 20), random.uniform(0, 300))
        exact = sum(w * f for w, f in zip(weights, features, strict=True))
        line.learn(features, exact * (1 + random.uniform(-noise, noise)))
    return line


@given(weights=st.tuples(WEIGHT, WEIGHT, WEIGHT), seed=st.integers(0, 1000))
def test_it_finds_the_line_behind_exact_observations(weights, seed):
    line = taught(weights, seed=seed)
    features = (1.0, 7.0, 120.0)
    exact = sum(w * f for w, f in zip(weights, features, strict=True))
    assert line.predict(features) == pytest.approx(exact, rel=1e-3, abs=1e-2)


@given(weights=st.tuples(WEIGHT, WEIGHT, WEIGHT), noise=st.floats(0, 0.9), seed=st.integers(0, 1000))
def test_no_price_is_negative(weights, noise, seed):
    line = taught(weights, observations=9, noise=noise, seed=seed)
    assert min(line.price(feature) for feature in range(3)) >= 0


def test_features_that_never_change_do_not_blow_up():
    line = Line((1.0, 1.0, 1.0))
    for _ in range(500):
        line.learn((1.0, 4.0, 4.0), 100.0)
    assert line.predict((1.0, 4.0, 4.0)) == pytest.approx(100, rel=1e-3)
    assert line.predict((1.0, 8.0, 8.0)) < 300


def test_one_outlier_moves_it_little():
    line = taught((5.0, 2.0, 0.5))
    before = line.predict((1.0, 10.0, 100.0))
    line.learn((1.0, 10.0, 100.0), 1000 * before)
    assert line.predict((1.0, 10.0, 100.0)) < 1.3 * before


def test_it_follows_a_lasting_change():
    line = taught((5.0, 2.0, 0.5), observations=200)
    random = Random(3)
    for _ in range(1500):
        features = (1.0, random.uniform(0, 20), random.uniform(0, 300))
        line.learn(features, 2 * (5 + 2 * features[1] + 0.5 * features[2]))
    assert line.predict((1.0, 10.0, 100.0)) == pytest.approx(150, rel=0.05)


def test_short_ones_are_predicted_as_well_as_long_ones():
    line = Line((1.0, 1e3))
    for tokens in (50, 100, 8000, 16_000) * 10:
        # Long ones cost less per token than a line can say.
        line.learn((1.0, tokens), 100 * tokens**0.7)
    assert line.predict((1.0, 100)) == pytest.approx(100 * 100**0.7, rel=0.2)


def test_before_the_first_observation_everything_is_free():
    assert Line((1.0,)).predict((1.0,)) == 0
