"""The ups and downs of a machine that was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from superinfer.sched.step_time import StepLoad
from superinfer.sim.machine import Machine


@dataclass(frozen=True, slots=True)
class Swings:
    """How steps of one kind came out, in the order in which they ran. After the last comes the first.

    Attributes:
        factors: Taken over expected, up to ``OUTLIER``.
        pauses_us: The rest of what each took: while something else has the machine, more to do does not take longer.
    """

    factors: Sequence[float]
    pauses_us: Sequence[int]

    def applied(self, expected_us: int, number: int) -> int:
        """What the step of that number takes, in us, at least 1."""
        factor, pause_us = (of[number % len(of)] for of in (self.factors, self.pauses_us))
        return max(round(expected_us * factor + pause_us), 1)


@dataclass(slots=True)
class Swinging:
    """A machine whose steps are as much off what is expected as when it was measured, and in that order.

    Other things run on a machine, and for a while: single steps drawn at random would be too even. Long steps swing
    less than short ones, so that steps that compute prompts have their own.

    Attributes:
        machine: What is expected of it.
        decoding: How steps came out that only decoded.
        computing: Those that computed prompt tokens.
    """

    machine: Machine
    decoding: Swings
    computing: Swings
    _decoded: int = 0
    _computed: int = 0

    @property
    def kv_tokens(self) -> int:
        """Tokens whose KV fits."""
        return self.machine.kv_tokens

    @property
    def has_host(self) -> bool:
        """Whether parked KV can go to host memory and come back."""
        return self.machine.has_host

    def step_us(self, load: StepLoad) -> int:
        """Time of the next step."""
        expected_us = self.machine.step_us(load)
        if not expected_us:
            return 0
        if load.prefill_tokens:
            self._computed += 1
            return self.computing.applied(expected_us, self._computed - 1)
        self._decoded += 1
        return self.decoding.applied(expected_us, self._decoded - 1)

    def prefill_alone_us(self, tokens: int) -> int:
        """Time that is expected of a prompt on an idle machine, in one step."""
        return self.machine.prefill_alone_us(tokens)

    def load_back_us(self, tokens: int) -> int:
        """Time to bring KV back from the host."""
        return self.machine.load_back_us(tokens)
