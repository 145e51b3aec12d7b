"""Requests for tests of the rotating policy."""

from superinfer.sched.job import Job, Phase
from superinfer.sched.state import SLOState
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.slo import SLO

CHAT = SLO(cls="interactive", ttft_ms=1000, tpot_ms=100)
BATCH = SLO(cls="batch")
RANKS = {"interactive": 0, "batch": 2}


def job(seq=0, slo=BATCH, *, prompt=100, arrival_us=0, generated=0, computed=0, phase=Phase.WAITING, **fields):
    """A request with this history; a running one has all but its newest token computed."""
    state = SLOState(slo, RANKS[slo.cls], seq, arrival_us)
    if generated:
        state.timeline.record(1, arrival_us + 1000)
        state.timeline.record(generated, arrival_us + 1000)
    if phase is Phase.RUNNING:
        generated = max(generated, 1)
        computed = prompt + generated - 1
    made = Job(state, prompt, 256, computed_tokens=computed, generated=generated, phase=phase)
    made.waiting_since_us = arrival_us
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def known_machine():
    """A machine that decodes in 20 ms and computes a prompt token in 0.2 ms, and is known."""
    step_time = StepTime()
    for _ in range(10):
        for rows in (1, 4, 16):
            step_time.observe(StepLoad(rows, rows * 100), 20_000)
        for tokens in (100, 500, 2000):
            step_time.observe(StepLoad(0, 0, tokens, tokens * tokens // 2), 200 * tokens)
    return step_time
