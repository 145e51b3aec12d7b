from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.lending import KEPT
from superinfer.sched.plan import Pool
from superinfer.sched.rotation import CALM, RotationPolicy, RotationSettings
from superinfer.sched.sizing import LEAST_TOKENS
from superinfer.slo import SLO
from unit.sched.jobs import BATCH, CHAT, job, known_machine

pytestmark = pytest.mark.unit

MS = 1000
AMPLE = Pool(capacity=100_000, resident=0)


@pytest.fixture(scope="module")
def machine():
    return known_machine()


@pytest.fixture
def policy(machine):
    return RotationPolicy(step_time=machine)


def prefilled(plan):
    return [chunk.job.state.seq for chunk in plan.prefill]


def test_chat_goes_before_batch_that_came_first(policy):
    plan = policy.decide(50 * MS, [job(0, BATCH), job(1, CHAT)], AMPLE)
    assert prefilled(plan) == [1, 0]


PATIENT = SLO(cls="interactive", ttft_ms=3000, tpot_ms=100)


def test_prompts_go_by_when_they_are_due_where_arrival_would_make_one_late(policy):
    jobs = [job(0, PATIENT, prompt=4000), job(1, CHAT, prompt=1000)]
    assert prefilled(policy.decide(0, jobs, AMPLE))[0] == 1


def test_the_first_to_arrive_goes_first_where_nobody_is_late_for_it(policy):
    jobs = [job(0, PATIENT, prompt=2000), job(1, CHAT, prompt=1000)]
    assert prefilled(policy.decide(0, jobs, AMPLE))[0] == 0


def test_a_doomed_request_comes_after_those_that_can_be_met(policy):
    doomed = job(0, CHAT, prompt=6000)  # 1.2 s of work, due in one
    assert prefilled(policy.decide(0, [doomed, job(1, CHAT, prompt=2000)], AMPLE))[0] == 1


def test_a_doomed_request_gets_a_step_where_the_others_keep_enough_of_their_time(policy):
    # A step takes 250 ms, the other one 300.
    time_ms = round(550 / (1 - KEPT))
    doomed, other = job(0, CHAT, prompt=6000), replace(CHAT, ttft_ms=time_ms - 1)
    assert prefilled(policy.decide(0, [doomed, job(1, other, prompt=1500)], AMPLE))[0] == 1
    other = replace(CHAT, ttft_ms=time_ms + 1)
    assert prefilled(policy.decide(0, [doomed, job(1, other, prompt=1500)], AMPLE))[0] == 0


def test_one_doomed_request_after_the_other_gets_such_steps(policy):
    doomed = [job(seq, CHAT, prompt=6000, tier=1 - seq) for seq in range(2)]
    assert prefilled(policy.decide(0, [*doomed, job(2, PATIENT, prompt=100)], AMPLE)) == [0]


def test_nothing_is_lent_where_much_is_given_up(policy):
    doomed = [job(seq, CHAT, prompt=6000) for seq in range(5)]  # 1.2 s each
    assert prefilled(policy.decide(0, [*doomed[:3], job(9, PATIENT)], AMPLE))[0] == 0
    assert prefilled(policy.decide(0, [*doomed, job(9, PATIENT)], AMPLE))[0] == 9


def test_nobody_lends_a_step_to_a_less_important_class(policy):
    late = SLO(cls="batch", ttft_ms=1)
    assert prefilled(policy.decide(2 * MS, [job(0, late), job(1, PATIENT)], AMPLE)) == [1, 0]


def test_of_two_that_cannot_both_be_met_the_cheaper_is_served(policy):
    jobs = [job(0, CHAT, prompt=4000), job(1, CHAT, prompt=2000, arrival_us=10 * MS)]
    assert prefilled(policy.decide(20 * MS, jobs, AMPLE))[0] == 1


def test_everything_that_runs_decodes(policy):
    jobs = [job(seq, BATCH, phase=Phase.RUNNING) for seq in range(3)]
    assert [j.state.seq for j in policy.decide(0, jobs, AMPLE).decode] == [0, 1, 2]


def test_a_step_is_as_long_as_the_tightest_stream_allows(policy, machine):
    stream = job(0, CHAT, phase=Phase.RUNNING, generated=1)
    plan = policy.decide(1000, [stream, job(1, BATCH, prompt=8000)], AMPLE)
    (chunk,) = plan.prefill
    assert 0.7 * 85 * MS < machine.prefill_us(chunk.tokens) <= 85 * MS * 1.02


def test_a_stream_ahead_of_its_pace_lends_its_credit(policy, machine):
    stream = job(0, CHAT, phase=Phase.RUNNING, generated=3)  # 3 tokens at once: 300 ms to the next
    plan = policy.decide(1000, [stream, job(1, BATCH, prompt=8000)], AMPLE)
    assert machine.prefill_us(plan.prefill[0].tokens) > 200 * MS


def test_without_streams_a_step_is_bounded_too(policy, machine):
    plan = policy.decide(0, [job(0, BATCH, prompt=8000), job(1, CHAT, phase=Phase.PARKED)], AMPLE)
    assert 0.9 * policy.settings.max_step_us < sum(machine.prefill_us(chunk.tokens) for chunk in plan.prefill)
    assert machine.prefill_us(sum(chunk.tokens for chunk in plan.prefill)) <= policy.settings.max_step_us * 1.02


def test_steps_are_longer_when_nothing_has_been_promised_for_long(policy, machine):
    batch = job(0, BATCH, prompt=8000, waiting_since_us=10**12)
    policy.decide(0, [batch, job(1, CHAT)], AMPLE)
    times_us = [
        machine.prefill_us(policy.decide(at_us, [batch], AMPLE).prefill[0].tokens)
        for at_us in (60_000 * MS, 60_001 * MS)
    ]
    longest_us = policy.settings.max_step_us
    assert times_us == pytest.approx([longest_us, CALM * longest_us], rel=0.02)


def test_batch_makes_room_for_chat_and_chat_does_not_for_batch(policy):
    full = Pool(capacity=350, resident=300)
    running = job(0, BATCH, prompt=300, phase=Phase.RUNNING, slice_us=10_000 * MS)
    assert policy.decide(0, [running, job(1, CHAT, prompt=100)], full).park == (running,)
    chat = job(0, CHAT, prompt=300, phase=Phase.RUNNING, generated=2, slice_us=10_000 * MS)
    assert policy.decide(0, [chat, job(1, BATCH, prompt=100)], full).park == ()


def test_the_aged_go_first(policy):
    old = job(0, BATCH)
    plan = policy.decide(policy.settings.max_wait_us + MS, [old, job(1, CHAT, arrival_us=60_000 * MS)], AMPLE)
    assert prefilled(plan) == [0, 1]


def test_tenants_of_a_class_take_turns_by_what_they_have_had(policy):
    policy.service.serve("greedy", 5000, 500)
    greedy, modest = (job(seq, BATCH.over(type(BATCH)(tenant=name))) for seq, name in enumerate(("greedy", "modest")))
    assert prefilled(policy.decide(0, [greedy, modest], AMPLE)) == [1, 0]


def test_among_those_that_owe_nothing_a_fresh_short_one_goes_before_one_that_has_used_its_slices(policy):
    served = job(0, BATCH, prompt=4000, tier=3, computed=2000, slice_us=900 * MS, phase=Phase.PREFILL)
    fresh = job(1, BATCH, prompt=100, tier=2)
    assert prefilled(policy.decide(0, [served, fresh], AMPLE)) == [1, 0]


def test_the_slower_tier_comes_round_when_its_share_is_due(policy):
    tokens = {2: 0, 3: 0}
    for seq in range(90):
        long, short = job(0, BATCH, prompt=90_000, tier=3), job(seq + 1, BATCH, prompt=9000, tier=2)
        for chunk in policy.decide(0, [long, short], Pool(1_000_000, 0)).prefill[:1]:
            tokens[chunk.job.tier] += chunk.tokens
    assert 1.5 < tokens[2] / tokens[3] < 2.5


def test_a_tier_that_is_alone_has_the_whole_step(policy, machine):
    plan = policy.decide(0, [job(0, BATCH, prompt=8000, tier=3)], AMPLE)
    assert machine.prefill_us(plan.prefill[0].tokens) > 0.9 * policy.settings.max_step_us


def test_a_doomed_request_is_not_promoted_and_sinks_with_service(policy):
    fresh, served = job(0, CHAT, tier=1), job(1, CHAT, prompt=900, tier=0, slice_us=100 * MS)
    plan = policy.decide(5_000 * MS, [served, fresh], AMPLE)
    assert [fresh.tier, served.tier] == [1, 1]
    assert prefilled(plan) == [0, 1]


def test_of_the_aged_the_one_that_has_waited_longest_goes_first(policy):
    policy.service.serve("greedy", 5000, 500)
    aged = [job(seq, BATCH, prompt=20_000, waiting_since_us=since) for seq, since in enumerate((9, 3, 5))]
    aged[1].state.slo = BATCH.over(SLO(tenant="greedy"))
    assert prefilled(policy.decide(policy.settings.max_wait_us + MS, aged, AMPLE))[0] == 1


def busy_streams():
    """As many as the machine can just decode at their pace."""
    pace = SLO(cls="interactive", min_tps=42.4)
    return [job(seq, pace, phase=Phase.RUNNING, generated=1) for seq in range(100)]


def test_the_longest_aged_computes_even_where_streams_leave_no_time(policy):
    old = job(1000, BATCH)
    assert not policy.decide(2 * MS, [*busy_streams(), old], AMPLE).prefill
    plan = policy.decide(policy.settings.max_wait_us + MS, [*busy_streams(), old], AMPLE)
    assert [(chunk.job, chunk.tokens) for chunk in plan.prefill] == [(old, 32)]


PHASES = st.sampled_from([Phase.WAITING, Phase.RUNNING, Phase.PARKED])


@settings(max_examples=60)
@given(
    members=st.lists(
        st.tuples(st.sampled_from([CHAT, BATCH]), st.integers(1, 3000), st.integers(0, 900), PHASES), max_size=12
    ),
    now_ms=st.integers(900, 70_000),
    capacity=st.integers(3000, 20_000),
)
def test_every_plan_can_be_carried_out_and_is_a_function_of_its_input(machine, members, now_ms, capacity):
    def population():
        return [
            job(seq, slo, prompt=prompt, arrival_us=arrival_ms * MS, phase=phase, slice_us=9_000_000)
            for seq, (slo, prompt, arrival_ms, phase) in enumerate(members)
        ]

    def decided(jobs):
        plan = RotationPolicy(step_time=machine).decide(now_ms * MS, jobs, Pool(capacity, 0))
        return plan, (
            [j.state.seq for j in plan.decode],
            [(c.job.state.seq, c.tokens) for c in plan.prefill],
            [j.state.seq for j in plan.park],
        )

    jobs = population()
    plan, first = decided(jobs)
    assert decided(population())[1] == first
    parked = {j.state.seq for j in plan.park}
    assert all(j.phase is Phase.RUNNING and j.state.seq not in parked for j in plan.decode)
    assert all(0 < c.tokens <= c.job.missing_tokens and c.job.state.seq not in parked for c in plan.prefill)
    kept = [j for j in jobs if j.phase is Phase.RUNNING and j.state.seq not in parked]
    used = sum(j.computed_tokens + 1 for j in kept) + sum(c.tokens for c in plan.prefill)
    assert used <= capacity
    running = [j for j in jobs if j.phase is Phase.RUNNING]
    if any(j.missing_tokens < capacity for j in jobs) and not running:
        assert plan.prefill  # never idle while something fits


def test_settings_are_kept():
    assert RotationPolicy(RotationSettings(max_step_us=5)).settings.max_step_us == 5


def test_a_first_token_that_is_due_gets_some_even_where_streams_leave_no_time(policy):
    plan = policy.decide(2 * MS, [*busy_streams(), job(1000, CHAT)], AMPLE)
    assert [chunk.tokens for chunk in plan.prefill] == [LEAST_TOKENS]


def test_a_stream_that_cannot_keep_its_pace_anyway_has_no_say(policy):
    stream = job(0, SLO(cls="interactive", tpot_ms=1), phase=Phase.RUNNING, generated=1)
    plan = policy.decide(2 * MS, [stream, job(1, BATCH)], AMPLE)
    assert [chunk.tokens for chunk in plan.prefill] == [100]


def test_where_nothing_decodes_something_is_computed_however_long_it_takes():
    slow = RotationPolicy(RotationSettings(max_step_us=1), known_machine())
    plan = slow.decide(0, [job(0, BATCH)], AMPLE)
    assert [chunk.tokens for chunk in plan.prefill] == [LEAST_TOKENS]


def test_beside_the_aged_the_first_in_line_computes_on(policy):
    now_us = policy.settings.max_wait_us + MS
    begun = job(0, BATCH, prompt=20_000, tier=3, computed=5_000, phase=Phase.PREFILL, waiting_since_us=now_us)
    aged = [job(seq, BATCH, prompt=20_000, tier=3, waiting_since_us=seq) for seq in (1, 2)]
    first, second, *_ = policy.decide(now_us, [begun, *aged], AMPLE).prefill
    assert (first.job, first.tokens) == (aged[0], 32)
    assert second.job is begun
    assert second.tokens > 300
