"""What a machine that serves a model is to the simulator."""

from typing import Protocol

from superinfer.sched.step_time import StepLoad


class Machine(Protocol):
    """Memory and time: of a data sheet (``Roofline``) or as measured (``Measured``)."""

    @property
    def kv_tokens(self) -> int:
        """Tokens whose KV fits."""

    @property
    def has_host(self) -> bool:
        """Whether parked KV can go to host memory and come back."""

    def step_us(self, load: StepLoad) -> int:
        """Time of one step."""

    def prefill_alone_us(self, tokens: int) -> int:
        """Time of a prompt while nothing else is served."""

    def load_back_us(self, tokens: int) -> int:
        """Time to bring KV back from the host."""
