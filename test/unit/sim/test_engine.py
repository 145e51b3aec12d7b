import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sched.plan import Plan
from superinfer.sim.engine import Engine
from superinfer.sim.memory import PlanError
from superinfer.sim.run import POLICIES, rank_of
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from unit.sim.simulated import BATCH, CHAT, KV_TOKENS, LOADS, Watched, engine_of, machine

pytestmark = pytest.mark.unit


@settings(max_examples=120, deadline=None)
@given(load=LOADS, policy=st.sampled_from(sorted(set(POLICIES) - {"edf-reject"})), host=st.booleans())
def test_every_request_gets_its_tokens_once_and_the_pool_is_never_overfull(load, policy, host):
    engine = engine_of(policy, host=host)
    engine.policy = watched = Watched(engine.policy)
    served = engine.run(load)
    totals = engine.totals
    assert [s.output_tokens for s in served] == [a.output_tokens for a in load]
    assert totals.output_tokens == sum(a.output_tokens for a in load)
    assert watched.most_kv_tokens <= totals.peak_kv_tokens <= engine.cost.kv_tokens
    prompts = sum(a.prompt_tokens for a in load)
    assert totals.prefill_tokens + totals.cached_tokens >= prompts
    if not totals.rotations:
        assert totals.prefill_tokens + totals.cached_tokens == prompts
    assert totals.busy_us <= totals.end_us


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_like_runs_have_like_results(policy):
    load = [Arrival(n * 20_000, 200 + 37 * n % 500, 20, CHAT if n % 3 else BATCH) for n in range(30)]
    assert engine_of(policy).run(load) == engine_of(policy).run(load)


def test_a_request_alone_takes_the_time_of_its_steps():
    cost = machine()
    (served,) = engine_of("fcfs", cost).run([Arrival(5_000, 300, 3, CHAT)])
    assert served.outcome.timeline.ttft_ms == cost.prefill_alone_us(300) / 1000


def test_rotation_lets_chat_pass_a_pool_full_of_batch():
    load = [Arrival(0, 900, 400, BATCH), Arrival(0, 900, 400, BATCH), Arrival(1_000_000, 600, 10, CHAT)]
    first_come = engine_of("fcfs").run(load)
    engine = engine_of("rotation")
    rotated = engine.run(load)
    assert first_come[2].outcome.verdict == "missed"
    assert rotated[2].outcome.verdict == "met"
    assert engine.totals.rotations >= 1


def test_without_contention_rotation_is_first_come_first_served():
    load = [Arrival(n * 1_000_000, 100, 5, BATCH) for n in range(5)]
    engine = engine_of("rotation")
    assert engine.run(load) == engine_of("fcfs").run(load)
    assert engine.totals.rotations == 0


def test_without_a_host_parked_tokens_are_computed_again():
    load = [Arrival(0, 900, 400, BATCH), Arrival(0, 900, 400, BATCH), Arrival(1_000_000, 600, 10, CHAT)]
    with_host, without = engine_of("rotation"), engine_of("rotation", host=False)
    with_host.run(load)
    without.run(load)
    assert with_host.totals.recomputed_tokens == 0
    assert without.totals.recomputed_tokens > 900
    assert without.totals.prefill_tokens > with_host.totals.prefill_tokens


def test_a_policy_that_overfills_the_pool_is_found_out():
    class Greedy:
        def admit(self, job):
            pass

        def decide(self, now_us, jobs, pool):
            from superinfer.sched.plan import Chunk

            return Plan(prefill=tuple(Chunk(job, job.missing_tokens) for job in jobs))

        def observe(self, load, elapsed_us):
            pass

        def finish(self, job):
            pass

    with pytest.raises(PlanError, match="more than there are"):
        Engine(machine(), Greedy(), rank_of).run([Arrival(0, 5000, 1, BATCH)])


def test_refused_requests_count_as_missed():
    load = [Arrival(0, 900, 5, BATCH)] * 8 + [Arrival(0, 900, 5, SLO(cls="interactive", ttft_ms=1))]
    served = engine_of("edf-reject").run(load)
    assert served[-1].outcome is None


def turns(count, apart_us=1_000_000):
    """Requests that begin with the same 1,024 tokens."""
    return [Arrival(n * apart_us, 1100, 4, BATCH, prefix=(1, 2, 100 + n)) for n in range(count)]


def test_a_shared_prefix_is_computed_once():
    engine = engine_of("fcfs")
    first, *later = engine.run(turns(3))
    assert engine.totals.cached_tokens == 2 * 1024
    assert engine.totals.prefill_tokens == 1100 + 2 * (1100 - 1024)
    for served in later:
        assert served.outcome.timeline.ttft_ms < first.outcome.timeline.ttft_ms / 5


def test_what_nobody_holds_makes_room_for_others():
    engine = engine_of("fcfs")
    other = Arrival(1_000_000, 1900, 4, BATCH, prefix=(7, 8, 9))
    engine.run([*turns(1), other, Arrival(2_000_000, 1100, 4, BATCH, prefix=(1, 2, 100))])
    assert engine.totals.cached_tokens == 0
    assert engine.totals.peak_kv_tokens <= KV_TOKENS
    assert engine.totals.rotations == 0


def test_a_prompt_that_is_all_there_still_computes_its_last_block():
    engine = engine_of("fcfs")
    engine.run([Arrival(0, 1024, 2, BATCH, prefix=(1, 2)), Arrival(1_000_000, 1024, 2, BATCH, prefix=(1, 2))])
    assert engine.totals.cached_tokens == 512
