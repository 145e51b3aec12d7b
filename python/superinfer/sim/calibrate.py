"""A machine learnt from the steps that a real server measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from superinfer.sched.line import OUTLIER
from superinfer.sched.step_time import MIN_PREFILL_TOKENS, StepLoad
from superinfer.sim.step_cost import StepCost
from superinfer.sim.swings import Swinging, Swings
from superinfer.workload.attainment import percentile
from superinfer.workload.steps import MeasuredRun, MeasuredStep

MIN_STEPS = 20
"""Steps of each kind that a fit needs."""

HELD_OUT = 5
"""One step in so many is kept for judging the fit."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A machine as it was measured.

    Attributes:
        cost: What steps cost.
        kv_tokens: Tokens whose KV fits.
        load_back_us_per_token: Time to bring back a token's KV from the host; ``None`` where it cannot.
    """

    cost: StepCost
    kv_tokens: int
    load_back_us_per_token: float | None

    @property
    def has_host(self) -> bool:
        """Whether parked KV can go to host memory and come back."""
        return self.load_back_us_per_token is not None

    def step_us(self, load: StepLoad) -> int:
        """Time of one step; 0 only for nothing."""
        if not load.decode_rows and not load.prefill_tokens:
            return 0
        return max(self.cost.step_us(load), 1)

    def prefill_alone_us(self, tokens: int) -> int:
        """Time of a prompt on an idle machine, in one step."""
        return self.step_us(StepLoad(prefill_tokens=tokens, prefill_pairs=tokens * tokens // 2))

    def load_back_us(self, tokens: int) -> int:
        """Time to bring KV back from the host; 0 where nothing can have gone there."""
        return round(tokens * (self.load_back_us_per_token or 0.0))


@dataclass(frozen=True, slots=True)
class Fit:
    """A machine, and how well it predicts steps that it did not learn from.

    Attributes:
        machine: The machine.
        learnt: Steps it learnt from.
        judged: Steps it was judged on.
        error_p50: Median of |predicted - taken| / taken over these.
        error_p90: 90th percentile of it.
        steps: The steps, and what each took in us, in the order in which they ran.
    """

    machine: Measured
    learnt: int
    judged: int
    error_p50: float
    error_p90: float
    steps: tuple[tuple[StepLoad, int], ...]

    def swinging(self, run: MeasuredRun) -> Swinging:
        """The machine with its ups and downs, and the pauses of ``run``: to compare with what was served then.

        Nobody foretells what else will have the machine, and it makes the 99th percentile.
        """
        return Swinging(self.machine, self._swings(run, computing=False), self._swings(run, computing=True))

    def _swings(self, run: MeasuredRun, *, computing: bool) -> Swings:
        ratios, others = (
            [
                (taken_us, expected_us)
                for load, taken_us in steps
                if (load.prefill_tokens > 0) == computing and (expected_us := self.machine.step_us(load))
            ]
            for steps in (self.steps, [(load_of(step), step.elapsed_us) for step in run.steps])
        )
        factors = [min(taken_us / expected_us, OUTLIER) for taken_us, expected_us in ratios]
        pauses_us = [max(taken_us - round(OUTLIER * expected_us), 0) for taken_us, expected_us in others]
        return Swings(factors, pauses_us or [0])


def fit(run: MeasuredRun) -> Fit:
    """The machine of a run. Which steps it is judged on is drawn, always in the same way.

    Raises:
        ValueError: There are too few steps of a kind.
    """
    _check_kinds(run.steps)
    steps = list(run.steps)
    Random(0).shuffle(steps)
    judged = steps[::HELD_OUT]
    learnt = [step for index, step in enumerate(steps) if index % HELD_OUT]
    cost = StepCost.fitted([load_of(step) for step in learnt], [step.elapsed_us for step in learnt])
    machine = Measured(cost, run.kv_tokens, run.load_back_us_per_token)
    errors = [abs(machine.step_us(load_of(step)) - step.elapsed_us) / step.elapsed_us for step in judged]
    known = tuple((load_of(step), step.elapsed_us) for step in run.steps)
    return Fit(machine, len(learnt), len(judged), percentile(errors, 50), percentile(errors, 90), known)


def load_of(step: MeasuredStep) -> StepLoad:
    """What a measured step had to do."""
    return StepLoad(step.decode_rows, step.kv_tokens, step.prefill_tokens, step.prefill_pairs)


def _check_kinds(steps: Sequence[MeasuredStep]) -> None:
    """A step that computes a few prompt tokens beside decoding teaches neither kind."""
    kinds = {
        "only decode": sum(step.decode_rows > 0 and not step.prefill_tokens for step in steps),
        f"compute {MIN_PREFILL_TOKENS} prompt tokens or more": sum(
            step.prefill_tokens >= MIN_PREFILL_TOKENS for step in steps
        ),
    }
    for kind, count in kinds.items():
        if count < MIN_STEPS:
            raise ValueError(f"a fit needs {MIN_STEPS} steps or more that {kind}; the run has {count}")
