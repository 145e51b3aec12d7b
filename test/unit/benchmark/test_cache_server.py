"""The load of the cache's benchmark, and what its report says."""

from dataclasses import replace

import pytest
from benchmark.cache_load import CacheLoad, begins_s, later, pool_for, working_set
from benchmark.cache_server import Run, document, figures, parse_arguments
from benchmark.engine.client import Answer
from benchmark.engine.workloads import Request, Urgency

pytestmark = pytest.mark.unit

LOAD = CacheLoad(chats_per_s=1.0, agents_per_s=0.5, documents_per_s=0.5, seconds=30.0)


def test_the_same_seed_makes_the_same_load():
    first, again, other = LOAD.requests(1), LOAD.requests(1), LOAD.requests(2)
    assert [request.prompt for request in first] == [request.prompt for request in again]
    assert [request.prompt for request in first] != [request.prompt for request in other]


def test_turns_and_steps_go_on_from_what_was_said():
    requests = LOAD.requests(0)
    following = [request for request in requests if request.after is not None]
    assert {request.urgency for request in following} == {Urgency.CHAT, Urgency.AGENT}
    for request in following:
        before = request.after.prompt
        assert request.prompt[: len(before)] == before
        assert requests.index(request.after) < requests.index(request)


def test_documents_are_read_once():
    requests = LOAD.requests(0)
    documents = [request for request in requests if request.urgency is Urgency.BATCH]
    assert len({tuple(document.prompt[:32]) for document in documents}) == len(documents)
    assert all(request.after not in documents for request in requests)


def test_clients_say_what_they_know():
    requests = LOAD.requests(0)
    continued = {id(request.after) for request in requests}
    for request in requests:
        if request.urgency is Urgency.BATCH:
            assert request.slo == {"ends": True}
        elif request.urgency is Urgency.AGENT:
            assert request.slo in ({"ends": True}, {"back_ms": 24000})
            assert not (request.slo == {"ends": True} and id(request) in continued)
        else:
            assert request.slo is None
    assert not any(request.slo for request in replace(LOAD, hints=False).requests(0))


def test_the_working_set_is_what_was_used_within_the_longest_pause():
    first = Request([1, 2], 1)
    then = Request([1, 2, 3], 1, 10.0, after=first)
    much_later = Request([9], 1, 100.0)
    # Three tokens for ten seconds, of the ninety from ten on.
    assert working_set([first, then, much_later]) == pytest.approx(3 * 10 / 90)
    assert working_set([first]) == 0


def test_a_load_can_come_later():
    requests = LOAD.requests(0)
    moved = later(requests, 100.0)
    assert begins_s(moved) == pytest.approx([at_s + 100.0 for at_s in begins_s(requests)])
    assert [request.prompt for request in moved] == [request.prompt for request in requests]


def answer(urgency, ttft_s, e2e_s=2.0):
    return Answer(Request([5] * 10, 2, urgency=urgency), 0.0, ttft_s, e2e_s)


def test_figures():
    found = figures([answer(Urgency.CHAT, 0.5), answer(Urgency.CHAT, 0.1), answer(Urgency.BATCH, 9.0, 10.0)], 20.0)
    assert found["chat_ttft_p99_ms"] == 500.0
    assert found["prefill_tokens"] == 20.0
    assert found["tokens_per_s"] == pytest.approx(3.6)


def test_ours_is_compared_with_the_best_of_the_others():
    values = {"trained": 60.0, "learned": 80.0, "lru": 100.0, "slru": 200.0}
    runs = [
        Run(name, 0, {"chat_ttft_p99_ms": 1.0, "prefill_tokens": value, "tokens_per_s": value}, [value])
        for name, value in values.items()
    ]
    ratios = document(runs)["ratios"]
    assert ratios["chat_ttft_p99_ms"] == {"trained": 0.6, "learned": 0.8}
    assert ratios["tokens_per_s"] == {"trained": 0.3, "learned": 0.4}


def test_the_tail_is_that_of_all_seeds():
    same = {"chat_ttft_p99_ms": 9.0, "prefill_tokens": 1.0, "tokens_per_s": 1.0}
    runs = [Run("lru", seed, same, [seed + 1.0] * 60) for seed in range(2)]
    assert document(runs)["medians"]["chat_ttft_p99_ms"] == {"lru": 2.0}


def test_a_load_ends_in_time():
    for request in LOAD.requests(3):
        asked_s, each = 0.0, request
        while each is not None:
            asked_s, each = asked_s + each.at_s, each.after
        assert asked_s < 30.0


def test_memory_holds_two_of_the_longest():
    loads = [[Request([1] * 60, 40), Request([2] * 100, 1)]]
    assert pool_for(loads, share=1 / 3) == 202
    assert pool_for([LOAD.requests(0)], share=1.0) == int(working_set(LOAD.requests(0))) > 202


def test_trained_needs_a_log():
    with pytest.raises(SystemExit):
        parse_arguments(["--systems", "trained,lru"])


def test_quick_is_one_seed():
    assert parse_arguments(["--quick"]).seeds == 1
