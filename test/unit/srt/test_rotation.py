"""From a plan to what SGLang can do: one prompt in parts at a time, whole pages, nobody left standing."""

from array import array
from types import SimpleNamespace

import pytest

from superinfer.sched.plan import Chunk, Plan
from superinfer.sched.rotation import RotationPolicy
from superinfer.slo import SLOClasses, SLOPolicy
from superinfer.srt.clock import TickClock
from superinfer.srt.jobs import JobBook
from superinfer.srt.ledger import Ledger
from superinfer.srt.rotation import COAST_US, GROWTH_TOKENS, NEWCOMERS, Rotation
from unit.sched.jobs import known_machine

pytestmark = pytest.mark.unit


class Req(SimpleNamespace):
    """As much of SGLang's request as rotation reads."""

    __hash__ = object.__hash__


def req(rid, prompt=100, *, cls="batch", output=0, matched=0, on_host=0, computed=None):
    params = SimpleNamespace(max_new_tokens=50, custom_params={"slo": {"class": cls}})
    return Req(
        rid=rid,
        origin_input_ids=array("q", [1] * prompt),
        output_ids=array("q", [2] * output),
        sampling_params=params,
        time_stats=SimpleNamespace(created_time=0.0),
        num_matched_prefix_tokens=matched + on_host,
        host_hit_length=on_host,
        return_logprob=False,
        extend_end=computed,
    )


class Scripted(RotationPolicy):
    """Plans what the test tells it to."""

    def decide(self, now_us, jobs, pool):
        self.seen = (jobs, pool)
        return self.script({job.state.seq: job for job in jobs})


@pytest.fixture
def rotation():
    clock = TickClock(shared=True, now_us=1_000)
    policy = Scripted()
    book = JobBook(policy, Ledger(SLOPolicy(SLOClasses()), clock), may_leave=lambda req: req.rid != "fixed")
    return Rotation(policy, book, clock, page_size=16)


def plan(rotation, script, *, running=(), waiting=(), chunked=None):
    rotation.policy.script = script
    everybody = sorted([*running, *waiting, *([chunked] if chunked else [])], key=lambda req: req.rid)
    for one in everybody:
        rotation.book.job_of(one)  # in order of arrival
    rotation.plan(running, waiting, chunked, free_tokens=1000, free_rows=3)
    return rotation.admission


def test_the_policy_sees_everybody_by_arrival_and_what_is_free(rotation):
    a, b, c = req("a", 100, output=5), req("b", 300, matched=64), req("c", 200, computed=48)
    plan(rotation, lambda jobs: Plan(), running=[a], waiting=[b], chunked=c)
    jobs, pool = rotation.policy.seen
    assert [(job.phase.name, job.computed_tokens) for job in jobs] == [
        ("RUNNING", 104),
        ("WAITING", 64),
        ("PREFILL", 48),
    ]
    assert pool.capacity == 104 + 48 + 1000 - NEWCOMERS * (GROWTH_TOKENS + 16)
    assert pool.rows == 2 + 3


def test_a_request_that_fills_the_memory_alone_is_not_parked_for_it(rotation):
    one = req("a", 1500, output=5)
    plan(rotation, lambda jobs: Plan(), running=[one])
    _, pool = rotation.policy.seen
    assert pool.capacity == 1504 + 1000 - NEWCOMERS * (GROWTH_TOKENS + 16)
    rotation.plan([one], [], None, free_tokens=1, free_rows=3)
    _, pool = rotation.policy.seen
    assert pool.capacity == 1504 + 1


def test_who_must_not_leave_is_fixed(rotation):
    plan(rotation, lambda jobs: Plan(), running=[req("a", output=3), req("fixed", output=3)])
    assert [job.fixed for job in rotation.policy.seen[0]] == [False, True]


def test_a_parked_request_that_is_cached_whole_computes_one_token(rotation):
    one = req("a", 100, output=5, matched=104)
    rotation.book.parked(rotation.book.job_of(one), 500)
    plan(rotation, lambda jobs: Plan(), waiting=[one])
    (job,) = rotation.policy.seen[0]
    assert (job.phase.name, job.missing_tokens) == ("PARKED", 1)


def test_admits_in_the_order_of_the_plan_in_whole_pages(rotation):
    a, b = req("a", 100), req("b", 40)
    admission = plan(rotation, lambda jobs: Plan(prefill=(Chunk(jobs[2], 40), Chunk(jobs[1], 30))), waiting=[a, b])
    assert admission.order == [b, a]
    assert admission.tokens == (48 + 16) + 32
    assert admission.resumed_tokens == 0


def test_a_second_prompt_in_parts_waits_behind_its_equal_and_leaves_it_its_tokens(rotation):
    under_way, other = req("a", 500, computed=64), req("b", 400)
    script = lambda jobs: Plan(prefill=(Chunk(jobs[2], 100), Chunk(jobs[1], 60)))  # noqa: E731
    admission = plan(rotation, script, waiting=[other], chunked=under_way)
    assert (admission.order, admission.resumed_tokens, rotation.parked) == ([], 160, {})


def test_who_stands_in_the_way_gets_on_though_nothing_was_planned_for_it(rotation):
    under_way, other = req("a", 500, computed=64), req("b", 400)
    admission = plan(rotation, lambda jobs: Plan(prefill=(Chunk(jobs[2], 100),)), waiting=[other], chunked=under_way)
    assert (admission.order, admission.resumed_tokens, rotation.parked) == ([], 112, {})


def test_a_prompt_in_parts_makes_way_for_a_more_important_class(rotation):
    under_way, chat = req("a", 500, computed=64), req("b", 400, cls="interactive")
    script = lambda jobs: Plan(prefill=(Chunk(jobs[2], 100),))  # noqa: E731
    admission = plan(rotation, script, waiting=[chat], chunked=under_way)
    assert (admission.order, admission.tokens, admission.resumed_tokens) == ([chat], 112, 0)
    assert rotation.parked == {under_way: "displaced"}


def test_a_prompt_in_parts_gets_a_page_in_every_step_that_computes_prompts(rotation):
    under_way, chat = req("a", 500, computed=64), req("b", 20, cls="interactive")
    admission = plan(rotation, lambda jobs: Plan(prefill=(Chunk(jobs[2], 20),)), waiting=[chat], chunked=under_way)
    assert (admission.order, admission.resumed_tokens) == ([chat], 16)


def test_a_step_without_prompts_admits_nobody(rotation):
    admission = plan(rotation, lambda jobs: Plan(), running=[req("a", output=2)], chunked=req("b", computed=16))
    assert not admission


def test_what_cannot_be_on_time_is_refused_where_the_operator_wants_it(rotation):
    rotation.policy.step_time = known_machine()  # 0.2 ms a prompt token
    late, other = req("a", 6_000), req("b", 100)
    for one in (late, other):
        one.sampling_params.custom_params["slo"]["ttft_ms"] = 1_000
    plan(rotation, lambda jobs: Plan(), waiting=[late, other])
    assert rotation.rejected == []
    rotation.rejects = True
    plan(rotation, lambda jobs: Plan(), waiting=[late, other])
    assert rotation.rejected == [late]
    assert [job.prompt_tokens for job in rotation.policy.seen[0]] == [100]
    assert rotation.retry_after_s() == 1


def test_who_ends_is_forgotten_and_teaches(rotation):
    one = req("a", 100, output=30)
    rotation.book.job_of(one)
    rotation.book.close(one)
    assert rotation.policy.service.served(None) == 100 + 2 * 30
    assert rotation.book.state([]) == {"tiers": {}, "parked": []}


def test_a_plan_holds_a_while_where_memory_is_ample(rotation):
    one = req("a", output=3)
    plan(rotation, lambda jobs: Plan(park=(jobs[1],), park_reasons=("slice",)), running=[one])
    ample = (NEWCOMERS + 1) * (GROWTH_TOKENS + 16)
    rotation.clock.now_us += COAST_US - 1
    assert not rotation.coasts([one], ample - 1)
    assert rotation.coasts([one], ample)
    assert (rotation.parked, rotation.admission.order) == ({}, ())
    rotation.clock.now_us += 1
    assert not rotation.coasts([one], ample)


def test_time_without_plans_is_charged_to_whoever_is_still_there(rotation):
    one, other = req("a", output=3), req("b", output=3)
    plan(rotation, lambda jobs: Plan(), running=[one, other])
    before_us = rotation.book.job_of(one).slice_us
    rotation.clock.now_us += 200_000
    rotation.coasts([one], 1_000)
    plan(rotation, lambda jobs: Plan(), running=[one])
    assert rotation.book.job_of(one).slice_us == before_us + 200_000


def test_what_is_on_the_host_is_not_computed(rotation):
    one = req("a", 300, matched=32, on_host=160)

    def script(jobs):
        assert (jobs[1].computed_tokens, jobs[1].host_tokens, jobs[1].missing_tokens) == (32, 160, 268)
        return Plan(prefill=(Chunk(jobs[1], 268),))

    admission = plan(rotation, script, waiting=[one])
    assert admission.order == [one]
    assert admission.tokens == 112 + 16  # 108 in whole pages, and a page
    assert rotation.wanted_tokens() == 268 + GROWTH_TOKENS + 32
