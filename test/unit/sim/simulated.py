"""A small machine, and small loads, for tests of the simulator."""

from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.step_time import StepTime
from superinfer.sim.baselines import machine_for
from superinfer.sim.engine import Engine
from superinfer.sim.hardware import Hardware
from superinfer.sim.models import Model
from superinfer.sim.roofline import Roofline
from superinfer.sim.run import POLICIES, calibrate, rank_of
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival

CHAT = SLO(cls="interactive", ttft_ms=1000, tpot_ms=100)
TIGHT = SLO(cls="interactive", ttft_ms=150, tpot_ms=25)
DEADLINE = SLO(cls="standard", deadline_ms=1500)
BATCH = SLO(cls="batch")
KV_TOKENS = 2000


def machine(kv_tokens=KV_TOKENS):
    """About 20 ms a decode step, 0.2 ms a prompt token, and a small pool: 1 KB of KV a token beside 1 MB of weights."""
    model = Model(0.5e6, 0.5e6, layers=1, q_heads=1, kv_heads=1, head_dim=256)
    room = (model.parameters * 2 + kv_tokens * model.kv_bytes_per_token) / 0.87
    return Roofline(Hardware(room, 62.5e6, 1e10, 1e8, step_us=100), model)


def engine_of(policy, cost=None, host=True):
    """An engine under a policy that knows what steps cost."""
    chosen = POLICIES[policy]()
    cost = machine_for(policy, cost or machine())
    if isinstance(step_time := getattr(chosen, "step_time", None), StepTime):
        calibrate(step_time, cost)
    return Engine(cost, chosen, rank_of, host)


class Watched:
    """A policy that notes the most KV that unfinished requests have, counted from what the policy is shown."""

    def __init__(self, policy):
        self.policy = policy
        self.most_kv_tokens = 0

    def decide(self, now_us, jobs, pool):
        self.most_kv_tokens = max(self.most_kv_tokens, kv_tokens(jobs))
        return self.policy.decide(now_us, jobs, pool)

    def __getattr__(self, name):
        return getattr(self.policy, name)


def kv_tokens(jobs):
    """Tokens whose KV requests have, shared blocks counted once."""
    own, shared = 0, set()
    for job in jobs:
        if job.phase is not Phase.WAITING:
            blocks = job.prefix[: min(job.computed_tokens, job.prompt_tokens - 1) // 512]
            own += job.computed_tokens - 512 * len(blocks)
            shared.update(blocks)
    return own + 512 * len(shared)


@st.composite
def arrivals(draw):
    """A request; the identities of its blocks are those of one of three conversations, as far as they go."""
    prompt = draw(st.integers(1, 1900))
    talk = draw(st.sampled_from([(), (1, 2, 3, 4), (1, 2, 5, 6), (7, 8, 9, 10)]))
    slo = draw(st.sampled_from([CHAT, TIGHT, DEADLINE, BATCH]))
    return Arrival(draw(st.integers(0, 3_000_000)), prompt, draw(st.integers(1, 40)), slo, talk[: -(-prompt // 512)])


LOADS = st.lists(arrivals(), max_size=25).map(lambda load: sorted(load, key=lambda arrival: arrival.at_us))
"""A few requests within three seconds, some of which share prefixes."""
