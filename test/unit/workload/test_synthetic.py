from itertools import pairwise
from random import Random
from statistics import mean, median, pstdev

import pytest

from superinfer.workload.synthetic import Lengths, Synthetic, parse_lengths

pytestmark = pytest.mark.unit

SHORT = Lengths("fixed", (10,))


def gap_cv(load):
    gaps = [later.at_us - earlier.at_us for earlier, later in pairwise(load)]
    return pstdev(gaps) / mean(gaps)


@pytest.mark.parametrize(
    ("text", "statistic", "expected"),
    [
        ("fixed:300", mean, 300),
        ("uniform:100,500", mean, 300),
        ("exponential:200", mean, 200),
        ("lognormal:800,1", median, 800),
    ],
)
def test_lengths_have_their_distribution(text, statistic, expected):
    lengths, random = parse_lengths(text), Random(0)
    assert statistic([lengths.draw(random) for _ in range(5000)]) == pytest.approx(expected, rel=0.05)


def test_lengths_stay_in_their_range_and_are_never_nothing():
    random = Random(0)
    uniform = [parse_lengths("uniform:100,500").draw(random) for _ in range(1000)]
    assert 100 <= min(uniform) < 110
    assert 490 < max(uniform) <= 500
    assert min(parse_lengths("exponential:1").draw(random) for _ in range(1000)) == 1


@pytest.mark.parametrize("text", ["300", "fixed", "fixed:", "fixed:1,2", "uniform:100", "zipf:1.2", "lognormal:a,b"])
def test_other_forms_list_the_forms(text):
    with pytest.raises(ValueError, match="fixed:TOKENS, uniform:LEAST,MOST, exponential:MEAN, lognormal:MEDIAN,SIGMA"):
        parse_lengths(text)


@pytest.mark.parametrize("text", ["fixed:0", "exponential:-1", "fixed:inf", "fixed:nan"])
def test_parameters_are_positive(text):
    with pytest.raises(ValueError, match="not positive"):
        parse_lengths(text)


@pytest.mark.parametrize("cv", [1.0, 3.0])
def test_rate_and_burstiness(cv):
    load = Synthetic(20, SHORT, SHORT, cv).arrivals(2000, seed=5)
    assert len(load) == pytest.approx(40_000, rel=0.05)
    assert gap_cv(load) == pytest.approx(cv, rel=0.05)
    assert all(a.at_us < 2_000_000_000 for a in load)


def test_it_follows_from_the_seed():
    source = Synthetic(5, parse_lengths("lognormal:300,1"), SHORT)
    assert source.arrivals(100, seed=1) == source.arrivals(100, seed=1)
    assert source.arrivals(100, seed=1) != source.arrivals(100, seed=2)


@pytest.mark.parametrize(("rate", "cv", "message"), [(0, 1, "rate .* not 0"), (1, 0, "burstiness .* not 0")])
def test_rate_and_burstiness_are_positive(rate, cv, message):
    with pytest.raises(ValueError, match=message):
        Synthetic(rate, SHORT, SHORT, cv)
