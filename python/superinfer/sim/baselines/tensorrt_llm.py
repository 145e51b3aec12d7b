"""TensorRT-LLM's in-flight batching with its two capacity policies, in order of arrival.

As by default there, prompts are not cut into chunks: a step takes whole prompts up to ``STEP_TOKENS``.
"""

from superinfer.sched.job import Job
from superinfer.sim.baselines.chunked import Chunked
from superinfer.sim.baselines.orders import by, fcfs

STEP_TOKENS = 8192
"""TensorRT-LLM's default ``max_num_tokens``."""


def all_output(job: Job) -> int:
    """Every token that a request may still produce, after the next."""
    return job.remaining_tokens - 1


def guaranteed_no_evict() -> Chunked:
    """A request starts when prompt and longest output of all that have started fit: nobody is ever taken out."""
    return Chunked(by(fcfs), STEP_TOKENS, whole_prompts=True, reserve=all_output)


def max_utilization() -> Chunked:
    """A request starts when its prompt fits; the latest arrivals are paused when memory runs out."""
    return Chunked(by(fcfs), STEP_TOKENS, whole_prompts=True)
