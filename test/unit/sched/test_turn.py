"""The longest prompt has its turn when it would have it by arrival, where promises allow."""

import pytest

from superinfer.sched.columns import Reader
from superinfer.sched.plan import Pool
from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.sched.service import TenantService
from superinfer.slo import SLO
from unit.sched.jobs import job, known_machine
from unit.sched.replay import STEP_US, Replay

pytestmark = pytest.mark.unit

MS = 1000
AMPLE = Pool(capacity=100_000, resident=0)


@pytest.fixture
def policy():
    # A prompt token takes 0.2 ms.
    return RotationPolicy(RotationSettings(max_step_us=STEP_US), known_machine())


def promise(ttft_ms):
    return SLO(cls="interactive", ttft_ms=ttft_ms, tpot_ms=100)


def first(policy, *jobs):
    return policy.decide(0, jobs, AMPLE).prefill[0].job.state.seq


def first_tokens_ms(policy, arrivals):
    """When each of (arrival in ms, promised ms, prompt) has its first token, with which it ends."""
    replay, coming, ends = Replay(policy, capacity=100_000), dict(enumerate(arrivals)), {}
    while len(ends) < len(arrivals):
        for seq in [seq for seq, (at_ms, _, _) in coming.items() if at_ms * MS <= replay.now_us]:
            _, ttft_ms, prompt = coming.pop(seq)
            replay.arrive(seq, promise(ttft_ms), prompt)
        replay.step()
        ends |= {one.state.seq: replay.now_us // MS for one in replay.jobs if one.generated}
        replay.jobs = [one for one in replay.jobs if not one.generated]
    return ends


def test_the_longest_goes_before_one_that_can_wait_for_it(policy):
    assert first(policy, job(0, promise(3000), prompt=2000), job(1, promise(3100), prompt=4000)) == 1


def test_a_promise_that_can_be_kept_goes_before_a_turn(policy):
    # By arrival the first ends after 0.8 s, and the second would end after 1.2.
    assert first(policy, job(0, promise(3100), prompt=4000), job(1, promise(1000), prompt=2000)) == 1


def test_the_longest_ends_when_it_would_by_arrival_though_others_pass_it(policy):
    arrivals = [(0, 8000, 3000), (0, 9000, 9000), (300, 1500, 1000), (540, 1500, 1000)]
    ends_ms = first_tokens_ms(policy, arrivals)
    assert ends_ms[1] <= 0.2 * (3000 + 9000) + STEP_US / MS
    assert all(ends_ms[seq] <= at_ms + ttft_ms for seq, (at_ms, ttft_ms, _) in enumerate(arrivals))


def test_a_prompt_that_is_soon_done_needs_no_turn(policy):
    assert first(policy, job(0, promise(3000), prompt=1000), job(1, promise(3100), prompt=2400)) == 0


def test_a_turn_takes_no_more_than_the_others_can_spare(policy):
    # 0.8 s and 0.4 s are 0.02 s less than the others have, and that is not a tenth of it.
    assert first(policy, job(0, promise(1220), prompt=2000), job(1, promise(3100), prompt=4000)) == 0


def test_only_a_first_token_has_a_turn(policy):
    batch = job(1, SLO(cls="batch", deadline_ms=60_000), prompt=4000, expected_tokens=1)
    assert first(policy, job(0, promise(3000), prompt=2000), batch) == 0


def test_a_turn_comes_as_prompts_are_computed_whoever_s():
    reader, jobs = Reader(), [job(0, prompt=300), job(1, prompt=500, computed=100)]
    assert reader.read(jobs, TenantService()).turn_tokens.tolist() == [300, 700]
    jobs.append(job(2, prompt=50))
    jobs[0].computed_tokens, reader.computed_tokens = 200, 200
    assert reader.read(jobs, TenantService()).turn_tokens.tolist() == [100, 500, 550]
    jobs[2].computed_tokens, reader.computed_tokens = 50, 250
    assert reader.read(jobs, TenantService()).turn_tokens.tolist() == [50, 450, 500]


def test_newcomers_do_not_wait_for_those_that_have_gone():
    reader, jobs = Reader(), [job(0, prompt=300), job(1, prompt=500)]
    reader.read(jobs, TenantService())
    assert reader.read([jobs[1], job(2, prompt=50)], TenantService()).turn_tokens.tolist() == [800, 550]
