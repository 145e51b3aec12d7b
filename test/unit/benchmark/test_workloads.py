"""The same seed makes the same requests; the shapes are those that the documents promise."""

import subprocess
import sys

import pytest
from benchmark.engine.plans import KINDS, full, quick
from benchmark.engine.workloads import Decode, Mixed, Prefill, Urgency

pytestmark = pytest.mark.unit

EVERY = full().workloads


def shared_prefix(left, right):
    return next((i for i, pair in enumerate(zip(left, right, strict=True)) if pair[0] != pair[1]), len(left))


@pytest.mark.parametrize("workload", EVERY, ids=lambda w: w.name)
def test_a_seed_determines_every_request(workload):
    assert workload.requests("a") == workload.requests("a")
    assert workload.prepare("a") == workload.prepare("a")
    assert workload.requests("a") != workload.requests("b")


def test_requests_are_the_same_in_another_process():
    program = "from benchmark.engine.workloads import Mixed; print(Mixed().requests('a'))"
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed == [f"{Mixed().requests('a')}\n"] * 2


@pytest.mark.parametrize("workload", [Decode(32), Prefill(128, count=8), Mixed()], ids=lambda w: w.name)
def test_no_prompt_shares_a_first_token_run_with_another(workload):
    prompts = [request.prompt for request in workload.requests("a")]
    starts = {tuple(prompt[:8]) for prompt in prompts}
    assert len(starts) == len(prompts)


def test_repeats_do_not_find_each_others_prompts_in_a_cache():
    first, second = (Prefill(2_048).requests(seed)[0].prompt for seed in ("repeat 0", "repeat 1"))
    assert shared_prefix(first, second) == 0


def test_cached_prefill_shares_all_but_sixteen_tokens_with_what_was_prepared():
    workload = Prefill(512, count=4, cached=True)
    [prepared, again] = workload.prepare("a")
    measured = workload.requests("a")
    for request in measured:
        assert len(request.prompt) == 512
        assert shared_prefix(prepared.prompt, request.prompt) == 512 - 16
    assert len({tuple(request.prompt) for request in [prepared, again, *measured]}) == 6


def test_the_mixed_load_is_a_batch_at_once_and_chat_over_time():
    requests = Mixed().requests("a")
    batch = [r for r in requests if r.urgency is Urgency.BATCH]
    chat = [r for r in requests if r.urgency is Urgency.CHAT]
    assert [(len(r.prompt), r.max_tokens, r.at_s) for r in batch] == [(310, 64, 0.0)] * 12
    assert [(len(r.prompt), r.max_tokens) for r in chat] == [(40, 32)] * 40
    times_s = [r.at_s for r in chat]
    assert times_s == sorted(times_s)
    assert times_s[0] > 0


def test_chat_arrives_at_the_rate_asked_for():
    requests = Mixed(batch=0, chat=20_000, chat_per_s=0.7).requests("a")
    assert 20_000 / requests[-1].at_s == pytest.approx(0.7, rel=0.03)


def test_a_plan_can_be_restricted_to_kinds():
    names = {workload.name for workload in full().only(["prefill", "mixed"]).workloads}
    assert names == {"prefill_128", "prefill_512", "prefill_2048", "mixed"}


def test_every_workload_belongs_to_one_kind():
    parts = [full().only([kind]).workloads for kind in KINDS]
    assert sum(map(len, parts)) == len(EVERY)


def test_the_quick_plan_measures_the_same_figures():
    assert [w.name for w in quick().workloads] == [w.name for w in EVERY]
