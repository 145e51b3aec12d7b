"""What holds of whole runs of the rotating policy."""

from itertools import accumulate
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.step_time import StepLoad
from superinfer.sim.run import simulate
from superinfer.workload.arrivals import Arrival
from unit.sim.simulated import BATCH, CHAT, LOADS, engine_of, machine

pytestmark = pytest.mark.unit

MS = 1000


class Noted:
    """A policy whose decisions can be looked at by ``look(jobs, pool, plan)``."""

    def __init__(self, policy, look):
        self.policy, self.look = policy, look

    def decide(self, now_us, jobs, pool):
        plan = self.policy.decide(now_us, jobs, pool)
        self.look(jobs, pool, plan)
        return plan

    def __getattr__(self, name):
        return getattr(self.policy, name)


def run_watched(load, look, **options):
    engine = engine_of("rotation", **options)
    engine.policy = Noted(engine.policy, look)
    return engine.run(load)


ALONE = st.lists(
    st.tuples(st.sampled_from([CHAT, BATCH]), st.integers(1, 700), st.integers(1, 20)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(requests=ALONE)
def test_without_contention_it_is_first_come_first_served(requests):
    load = [Arrival(n * 1_000_000, prompt, output, slo) for n, (slo, prompt, output) in enumerate(requests)]
    engine = engine_of("rotation")
    assert engine.run(load) == engine_of("fcfs").run(load)
    assert engine.totals.rotations == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kv_tokens", [6_000, 60_000])
def test_one_class_without_targets_has_the_throughput_of_first_come_first_served(seed, kv_tokens):
    random = Random(seed)
    times = accumulate(random.expovariate(1 / 150_000) for _ in range(200))
    load = [Arrival(round(at), random.randint(50, 1500), random.randint(10, 120), BATCH) for at in times]
    rates = {name: simulate(load, name, machine(kv_tokens)).figures()["tokens_per_s"] for name in ("fcfs", "rotation")}
    assert rates["rotation"] >= 0.98 * rates["fcfs"]


@settings(max_examples=80, deadline=None)
@given(load=LOADS)
def test_nobody_is_displaced_before_the_end_of_its_slice(load):
    """So two requests cannot take each other's place twice within one."""

    def look(jobs, pool, plan):
        assert len(plan.park) == len(plan.park_reasons)
        for job, reason in zip(plan.park, plan.park_reasons, strict=True):
            assert reason != "displaced" or job.slice_us >= 100 * MS

    run_watched(load, look)


@settings(max_examples=80, deadline=None)
@given(load=LOADS.map(lambda load: [Arrival(a.at_us, a.prompt_tokens, a.output_tokens, BATCH) for a in load]))
def test_memory_and_time_are_never_idle_while_something_fits(load):
    cost = machine()

    def look(jobs, pool, plan):
        chosen = {chunk.job.state.seq for chunk in plan.prefill} | {job.state.seq for job in plan.decode}
        rest = [job for job in jobs if job.state.seq not in chosen]
        # Who is inside, but has no time in this step, keeps its room.
        inside = [job for job in jobs if job.state.seq in chosen or (job.phase is Phase.PREFILL)]
        free = pool.capacity - sum(max(job.context_tokens, job.computed_tokens) + 1 for job in inside)
        fitting = [job for job in rest if job not in plan.park and job.context_tokens + 1 <= free]
        tokens = sum(chunk.tokens for chunk in plan.prefill)
        more = StepLoad(len(plan.decode), sum(job.computed_tokens for job in plan.decode), tokens + 64, tokens * tokens)
        assert not fitting or cost.step_us(more) > 240 * MS
        assert plan.decode or plan.prefill or not jobs

    run_watched(load, look, cost=cost)
