"""How much work a step may hold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from superinfer.sched.columns import Columns, Ints
from superinfer.sched.job import Job
from superinfer.sched.plan import Chunk
from superinfer.sched.step_time import StepLoad, StepTime

PACE_SHARE: Final = 0.85
"""Part of a stream's time to its next token that a step may take, at most: predictions err."""

ERRORS: Final = 3.0
"""What is left of it is so many times the mean error of predictions of steps with prompts, at least: a stream that ends
with a step that took longer than was thought has nobody to make up for it."""

LEAST_PACE_SHARE: Final = 0.5
"""Part that a step may take however much predictions err."""

LEAST_TOKENS: Final = 32
"""Prompt tokens in a step, at least, if the first to wait owes something or has waited past the bound, whatever the
streams would rather have; and if there are none. Else streams that leave no room would keep everybody out."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """Steps as long as the tightest stream allows.

    Attributes:
        step_time: What steps cost.
        max_step_us: Longest step, also where no stream asks for less: what an urgent newcomer may have to wait.
        max_chunk_tokens: Prompt tokens in one step, at most.
    """

    step_time: StepTime
    max_step_us: int
    max_chunk_tokens: int

    def budget_us(self, columns: Columns, running: StepLoad, now_us: int) -> int:
        """How long the step may take for every stream to stay on its pace.

        One that is behind allows its pace; one whose pace cannot be kept even by decoding alone has no say.

        Args:
            columns: The requests.
            running: Decoding a token for each that runs.
            now_us: The tick.
        """
        streams = columns.streams
        decoding_us = self.step_time.predict_us(running)
        # From the actual first token on: the mean pace is what clients measure.
        left_us = streams.first_us + streams.sent_us - now_us
        allowed_us = pace_share(self.step_time) * np.maximum(left_us, streams.pace_us)[columns.running[streams.index]]
        return round(float(allowed_us[allowed_us > decoding_us].min(initial=self.max_step_us)))

    def token_us(self, running: StepLoad, budget_us: int) -> float:
        """Time per prompt token in steps of this length, which also decode a token for each that runs."""
        tokens = self.step_time.prefill_tokens_within(budget_us, running, context=0)
        return budget_us / min(max(tokens, LEAST_TOKENS), self.max_chunk_tokens)

    def chunks(
        self, jobs: Iterable[Job], decode: StepLoad, budget_us: int, at_least: int, left_over: int = 0
    ) -> Iterator[Chunk]:
        """What is computed of each in turn: what the budget leaves beside decoding, but ``at_least`` so many tokens.

        What is on the host is loaded as a whole, and first.

        Args:
            jobs: In order.
            decode: What the step decodes.
            budget_us: How long the step may take.
            at_least: Prompt tokens in the step, however long it takes.
            left_over: Tokens that the first leaves to those behind it, as far as it has more than ``LEAST_TOKENS``.
        """
        used = 0
        for job in jobs:
            loading = job.loading_tokens
            budget_us -= self.step_time.loads.us(loading)
            context = job.computed_tokens + loading
            within = max(self.step_time.prefill_tokens_within(budget_us, decode, context), at_least)
            room = min(within, self.max_chunk_tokens) - used
            if left_over and not used:
                room = min(room, max(room - left_over, LEAST_TOKENS))
            tokens = min(job.uncached_tokens, room)
            if tokens <= 0 and job.uncached_tokens:
                return
            yield Chunk(job, loading + tokens)
            used += tokens


def pace_share(step_time: StepTime) -> float:
    """Part of a stream's time to its next token that a step may take, as far as predictions have been right."""
    return max(min(PACE_SHARE, 1 - ERRORS * step_time.prompt_error), LEAST_PACE_SHARE)


def decode_load(columns: Columns, indices: Ints) -> StepLoad:
    """Decoding a token for each of these."""
    return StepLoad(len(indices), int(columns.computed_tokens[indices].sum()))
