"""A small engine that carries out plans without judging them: passes that follow from each other, for tests."""

from dataclasses import dataclass, field

from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.step_time import StepLoad
from unit.sched.jobs import job

STEP_US = 40_000


@dataclass
class Replay:
    """One policy and its requests. The same calls on two of them differ only if their policies decide differently."""

    policy: object
    capacity: int
    rows: int = 1000
    now_us: int = 0
    jobs: list = field(default_factory=list)

    def arrive(self, seq, slo, prompt, *, generated=0, phase=Phase.WAITING, **fields):
        """A request comes, with a history if need be."""
        made = job(seq, slo, prompt=prompt, arrival_us=self.now_us, generated=generated, phase=phase, **fields)
        if generated and phase is Phase.PARKED:
            made.computed_tokens = made.context_tokens // 2
        self.policy.admit(made)
        self.jobs.append(made)

    def step(self, wait_us=STEP_US):
        """Decide, and carry it out. Returns the plan in numbers, and every tier."""
        plan = self.policy.decide(self.now_us, self.jobs, Pool(self.capacity, 0, self.rows))
        self.now_us += wait_us
        for parked in plan.park:
            parked.phase, parked.slice_us, parked.waiting_since_us = Phase.PARKED, 0, self.now_us
            parked.computed_tokens = min(parked.computed_tokens, max(parked.context_tokens - 1, 0))
        for chunk in plan.prefill:
            self._compute(chunk.job, chunk.tokens, wait_us)
        for running in plan.decode:
            running.computed_tokens += 1
            self._token(running, wait_us)
        self.policy.observe(StepLoad(len(plan.decode), 1000, sum(c.tokens for c in plan.prefill)), wait_us)
        return (
            [j.state.seq for j in plan.decode],
            [(c.job.state.seq, c.tokens) for c in plan.prefill],
            [j.state.seq for j in plan.park],
            [(j.state.seq, j.tier) for j in self.jobs],
        )

    def evict(self, index):
        """The KV of a parked request goes to the host."""
        parked = [j for j in self.jobs if j.phase is Phase.PARKED]
        if parked:
            chosen = parked[index % len(parked)]
            chosen.host_tokens, chosen.computed_tokens = chosen.host_tokens + chosen.computed_tokens, 0

    def finish(self, index):
        """A running request ends."""
        running = [j for j in self.jobs if j.phase is Phase.RUNNING]
        if running:
            chosen = running[index % len(running)]
            self.policy.finish(chosen)
            self.jobs.remove(chosen)

    def _compute(self, made, tokens, elapsed_us):
        made.phase, made.slice_us, made.waiting_since_us = Phase.PREFILL, made.slice_us + elapsed_us, self.now_us
        made.host_tokens -= min(made.host_tokens, tokens)
        made.computed_tokens += tokens
        if not made.missing_tokens:
            made.phase = Phase.RUNNING
            if not made.generated:
                self._token(made, 0)

    def _token(self, made, elapsed_us):
        made.generated += 1
        made.slice_us += elapsed_us
        made.waiting_since_us = self.now_us
        made.state.timeline.record(made.generated, self.now_us)
