"""What holds of each decision, whatever the requests."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from superinfer.sched.lending import KEPT
from superinfer.sched.plan import Pool
from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.slo import SLO
from unit.sched.jobs import job, known_machine

pytestmark = pytest.mark.unit

MS = 1000
NOW_US = 2_000 * MS
AMPLE = Pool(capacity=1_000_000, resident=0)
PROMPTS = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(0, 1500), st.integers(2500, 12_000)), min_size=1, max_size=10
)
"""Prompt lengths, when the requests arrived, and within how many ms they are promised a first token."""


@pytest.fixture(scope="module")
def machine():
    return known_machine()


def chat(seq, prompt, arrival_ms, ttft_ms):
    slo = SLO(cls="interactive", ttft_ms=ttft_ms, tpot_ms=100)
    return job(seq, slo, prompt=prompt, arrival_us=arrival_ms * MS)


def doomed(seq, prompt):
    return job(seq, SLO(cls="interactive", ttft_ms=1, tpot_ms=100), prompt=prompt, arrival_us=NOW_US - 5 * MS)


def computed(machine, jobs):
    """Arrival numbers and tokens of what is computed, first served first."""
    plan = RotationPolicy(step_time=machine).decide(NOW_US, jobs, AMPLE)
    return [(chunk.job.state.seq, chunk.tokens) for chunk in plan.prefill]


def order(machine, jobs):
    """Arrival numbers in the order in which the requests are served, one pass after the other."""
    served, waiting = [], list(jobs)
    while waiting:
        first, _ = computed(machine, waiting)[0]
        served.append(first)
        waiting = [one for one in waiting if one.state.seq != first]
    return served


def all_in_time(machine, jobs):
    """Whether nobody has to be given up, with time to spare for estimates of a step that is full."""
    end_us = NOW_US
    for one in sorted(jobs, key=lambda one: one.state.first_due_us):
        end_us += 2 * machine.prefill_us(one.prompt_tokens)
        if end_us > one.state.first_due_us:
            return False
    return True


@settings(max_examples=150, deadline=None)
@given(prompts=PROMPTS, late=st.lists(st.integers(1, 5000), min_size=1, max_size=4))
def test_a_doomed_request_takes_nothing_but_what_those_can_spare_that_can_be_on_time(machine, prompts, late):
    feasible = [chat(seq, *prompt) for seq, prompt in enumerate(prompts)]
    others = [doomed(100 + seq, prompt) for seq, prompt in enumerate(late)]
    with_them = computed(machine, [*feasible, *others])
    if with_them[0][0] < 100:
        assert [chunk for chunk in with_them if chunk[0] < 100] == computed(machine, feasible)
        return
    spent_us = RotationSettings().max_step_us
    for one in sorted(feasible, key=lambda one: one.state.first_due_us):
        spent_us += machine.prefill_us(one.prompt_tokens)
        assert spent_us <= (1 - KEPT) * (one.state.first_due_us - NOW_US)


@settings(max_examples=150, deadline=None)
@given(prompts=PROMPTS, index=st.integers(0, 9), by_ms=st.integers(1, 4000))
def test_to_be_promised_more_is_never_to_wait_longer(machine, prompts, index, by_ms):
    seq = index % len(prompts)
    prompt, arrival_ms, ttft_ms = prompts[seq]
    assume(ttft_ms > by_ms)
    tighter = [*prompts[:seq], (prompt, arrival_ms, ttft_ms - by_ms), *prompts[seq + 1 :]]
    before, after = ([chat(seq, *one) for seq, one in enumerate(some)] for some in (prompts, tighter))
    assume(all_in_time(machine, before) and all_in_time(machine, after))
    assert order(machine, after).index(seq) <= order(machine, before).index(seq)


@settings(max_examples=100, deadline=None)
@given(prompts=PROMPTS)
def test_decisions_follow_from_requests_and_tick_alone(machine, prompts):
    jobs = [chat(seq, *prompt) for seq, prompt in enumerate(prompts)]
    again = [replace(one) for one in jobs]
    assert computed(machine, jobs) == computed(machine, again)
