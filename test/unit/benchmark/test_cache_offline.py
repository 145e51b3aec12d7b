"""The load of the cache's benchmark without a server."""

import json

import pytest
from benchmark.cache_load import CacheLoad
from benchmark.cache_offline import OURS, RULES, logged, main
from benchmark.cache_replay import Farthest, events, next_uses, replay
from benchmark.engine.workloads import Request, Urgency

from superinfer.cache.rule import LRU

pytestmark = pytest.mark.unit

LOAD = CacheLoad(chats_per_s=0.5, agents_per_s=0.3, documents_per_s=0.5, seconds=40.0).requests(0)
ROOMY = 10**6


def test_prompts_go_on_where_earlier_ones_ended():
    happening = events(LOAD, 32)
    begun = {event.number: event for event in happening if not event.ends}
    numbers = {id(request): number for number, request in enumerate(LOAD)}
    for number, request in enumerate(LOAD):
        path = begun[number].path
        assert sum(tokens for _, tokens in path) == len(request.prompt)
        if request.after is not None:
            before = begun[numbers[id(request.after)]].path
            assert path[: len(before)] == before


@pytest.mark.parametrize("block", [None, 32])
def test_with_room_for_all_each_token_is_computed_once(block):
    happening = events(LOAD, block)
    outcome = replay(happening, ROOMY, LRU())
    assert outcome.computed.total() == sum(event.use.new_tokens for event in happening if not event.ends)
    assert outcome.prompt_tokens == sum(len(request.prompt) for request in LOAD)


def test_who_knows_the_future_computes_least():
    happening = events(LOAD, 32)
    known, lru = (replay(happening, 4000, rule).computed for rule in (Farthest(next_uses(happening)), LRU()))
    assert known.total() < 0.9 * lru.total()


def test_what_counts_begins_at_a_time():
    outcome = replay(events(LOAD, 32), ROOMY, LRU(), 20.0)
    assert 0 < outcome.prompt_tokens < sum(len(request.prompt) for request in LOAD)


def test_a_document_that_ends_goes_before_a_conversation():
    chat = Request([1] * 64, 1, 0.0, Urgency.CHAT)
    scans = [Request([2 + n] * 64, 1, 1.0 + n, Urgency.BATCH, slo={"ends": True}) for n in range(4)]
    again = Request([1] * 64, 1, 20.0, Urgency.CHAT)
    happening = events([chat, *scans, again], 32)
    assert replay(happening, 140, LRU()).computed[Urgency.CHAT] == 128
    assert replay(happening, 140, LRU(), hints=True).computed[Urgency.CHAT] == 64


def test_what_comes_back_soon_is_kept_until_then():
    step = Request([1] * 64, 1, 0.0, Urgency.AGENT, slo={"back_ms": 10_000})
    scans = [Request([2 + n] * 64, 1, 1.0 + n, Urgency.BATCH) for n in range(4)]
    following = Request([1] * 64, 1, 8.0, Urgency.AGENT, after=step)
    happening = events([step, *scans, following], 32)
    assert replay(happening, 140, LRU()).computed[Urgency.AGENT] == 128
    assert replay(happening, 140, LRU(), hints=True).computed[Urgency.AGENT] == 64


def test_the_log_is_that_of_a_server():
    lines = logged(LOAD, 32)
    assert len(lines) == len(LOAD)
    lengths = sorted(-(-len(request.prompt) // 32) for request in LOAD)
    assert sorted(len(line.blocks) for line in lines) == lengths
    assert {line.use.slo_class for line in lines} == {0, 1, 2}
    assert all(line.use.prompt_tokens <= 512 * len(line.blocks) for line in lines)


def test_all_rules_are_compared(tmp_path, capsys):
    file, plot = tmp_path / "out.json", tmp_path / "out.svg"
    rules = [rule for rule in RULES if not rule.startswith("trained")]
    seconds = ["--seconds", "20", "--learn-s", "20", "--seeds", "1"]
    main([*seconds, "--rules", ",".join(rules), "--json", str(file), "--plot", str(plot)])
    results = {result["rule"]: result for result in json.loads(file.read_text())["results"]}
    assert list(results) == rules
    least = min(results[rule]["computed_tokens"] for rule in rules if rule not in (*OURS, "belady"))
    for result in results.values():
        assert result["ratio"] == pytest.approx(result["computed_tokens"] / least)
        assert result["computed_tokens"] == result["chat"] + result["agent"] + result["batch"]
    assert plot.read_text().startswith("<?xml")
    assert capsys.readouterr().out.count("of SGLang's best") == len(rules)
