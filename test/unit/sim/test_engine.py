import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sched.plan import Plan
from superinfer.sim.engine import Engine, PlanError
from superinfer.sim.hardware import Hardware
from superinfer.sim.models import Model
from superinfer.sim.roofline import Roofline
from superinfer.sim.run import POLICIES, calibrate, rank_of
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival

pytestmark = pytest.mark.unit

CHAT = SLO(cls="interactive", ttft_ms=1000, tpot_ms=100)
BATCH = SLO(cls="batch")


def machine(kv_tokens=2000):
    """About 20 ms a decode step, 0.2 ms a prompt token, and a small pool: 1 KB of KV a token beside 1 MB of weights."""
    model = Model(0.5e6, 0.5e6, layers=1, q_heads=1, kv_heads=1, head_dim=256)
    room = (model.parameters * 2 + kv_tokens * model.kv_bytes_per_token) / 0.87
    return Roofline(Hardware(room, 62.5e6, 1e10, 1e8, step_us=100), model)


def engine_of(policy, cost=None, host=True):
    chosen = POLICIES[policy]()
    cost = cost or machine()
    calibrate(chosen.step_time, cost)
    return Engine(cost, chosen, rank_of, host)


REQUESTS = st.lists(
    st.tuples(st.integers(0, 3_000_000), st.integers(1, 900), st.integers(1, 40), st.sampled_from([CHAT, BATCH])),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(requests=REQUESTS, policy=st.sampled_from(sorted(set(POLICIES) - {"edf-reject"})), host=st.booleans())
def test_every_request_gets_its_tokens_once_and_the_pool_is_never_overfull(requests, policy, host):
    load = sorted((Arrival(*request) for request in requests), key=lambda arrival: arrival.at_us)
    engine = engine_of(policy, host=host)
    served = engine.run(load)
    assert [s.output_tokens for s in served] == [a.output_tokens for a in load]
    assert engine.totals.output_tokens == sum(a.output_tokens for a in load)
    assert engine.totals.peak_kv_tokens <= engine.cost.kv_tokens
    assert engine.totals.prefill_tokens >= sum(a.prompt_tokens for a in load)
    if not engine.totals.rotations:
        assert engine.totals.prefill_tokens == sum(a.prompt_tokens for a in load)
    assert engine.totals.busy_us <= engine.totals.end_us


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
