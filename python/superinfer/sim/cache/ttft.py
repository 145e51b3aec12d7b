"""What hits are worth: the first token's time in a queue of prefills."""

from collections.abc import Sequence

from superinfer.sched.step_time import StepLoad
from superinfer.sim.cache.trace import Request
from superinfer.sim.machine import Machine


def first_tokens_ms(load: Sequence[Request], hit_tokens: Sequence[int], machine: Machine, rate: float) -> list[float]:
    """Time to each request's first token, if prompts are computed one after the other, by arrival.

    Args:
        load: The requests.
        hit_tokens: Of each, the tokens that need not be computed; the last one always is.
        machine: What computes.
        rate: Speed of the load.
    """
    free_us, times_ms = 0.0, []
    for request, hit in zip(load, hit_tokens, strict=True):
        new = max(request.use.prompt_tokens - hit, 1)
        pairs = new * (request.use.prompt_tokens - new) + new * (new + 1) // 2
        at_us = 1e6 * request.use.time_s / rate
        free_us = max(free_us, at_us) + machine.step_us(StepLoad(prefill_tokens=new, prefill_pairs=pairs))
        times_ms.append((free_us - at_us) / 1000)
    return times_ms
