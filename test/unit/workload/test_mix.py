import pytest

from superinfer.slo import SLO, SLOClass, SLOClasses
from superinfer.workload.arrivals import poisson
from superinfer.workload.mix import mixed, parse_mix

pytestmark = pytest.mark.unit

LOAD = poisson(10, 200, 300, 30, seed=1)


def test_a_mix_is_classes_and_shares():
    assert parse_mix("interactive:0.5, standard:0.3,batch:0.2") == {"interactive": 0.5, "standard": 0.3, "batch": 0.2}
    gold = SLOClasses((SLOClass("gold", SLO(ttft_ms=100), 0),), default="gold")
    assert parse_mix("gold:1", gold) == {"gold": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gold:1", "class 'gold', which is not one of interactive, standard, batch"),
        ("interactive:0.5,interactive:0.5", "class 'interactive' twice"),
        ("interactive:0.5,batch:0.4", r"add up to 0\.9 instead of 1"),
        ("interactive", "not of the form class:share"),
        ("interactive:half", "not of the form class:share"),
        ("interactive:1.5,batch:-0.5", "share 1.5, which is not"),
        ("interactive:nan", "share nan, which is not"),
        ("", "class ''"),
    ],
)
def test_what_is_no_mix_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        parse_mix(text)


def test_requests_get_the_targets_of_their_classes_in_these_shares():
    load = mixed(LOAD, {"interactive": 0.75, "batch": 0.25}, seed=3)
    assert [(a.at_us, a.prompt_tokens, a.output_tokens) for a in load] == [(a.at_us, 300, 30) for a in LOAD]
    chat = [a for a in load if a.slo.cls == "interactive"]
    assert len(chat) / len(load) == pytest.approx(0.75, abs=0.03)
    assert {(a.slo.ttft_ms, a.slo.tpot_ms) for a in chat} == {(1000, 100)}
    assert {a.slo.cls for a in load} == {"interactive", "batch"}


def test_classes_follow_from_the_seed():
    shares = {"interactive": 0.5, "batch": 0.5}
    assert mixed(LOAD, shares, seed=1) == mixed(LOAD, shares, seed=1)
    assert mixed(LOAD, shares, seed=1) != mixed(LOAD, shares, seed=2)
