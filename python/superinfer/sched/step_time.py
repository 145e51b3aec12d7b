"""How long an engine step takes, as a function of what is in it, learnt from the steps that were run."""

from dataclasses import dataclass, field

from superinfer.sched.line import OUTLIER, Line
from superinfer.sched.load_rate import LoadRate

MANY_TOKENS = 1 << 20
"""More than any step computes."""

MIN_PREFILL_TOKENS = 32
"""Steps with fewer prompt tokens say nothing about the price of one."""

KNOWN = 8
"""Observations after which prices are taken for known."""

PAUSE = 0.3
"""A step that errs by more has met with something else."""


@dataclass(frozen=True, slots=True)
class StepLoad:
    """What a step has to do.

    Attributes:
        decode_rows: Requests that decode one token each.
        kv_tokens: Tokens whose keys and values these read.
        prefill_tokens: Prompt tokens computed.
        prefill_pairs: Pairs of prompt token and the tokens it attends to.
    """

    decode_rows: int = 0
    kv_tokens: int = 0
    prefill_tokens: int = 0
    prefill_pairs: int = 0


@dataclass(slots=True)
class StepTime:
    """Step time as the higher of two roofs, each a line: reading weights and KV, and multiplying.

    A step that computes prompt tokens reads the weights meanwhile, but attention of those that decode reads their KV
    after or before: that time is added. Times are microseconds. Before the first observations, everything is free.

    Attributes:
        loads: What it costs to bring KV back from the host; a step waits for it before it computes.
    """

    loads: LoadRate = field(default_factory=LoadRate)

    _reading: Line = field(default_factory=lambda: Line((1.0, 10.0, 1e4)))
    _computing: Line = field(default_factory=lambda: Line((1.0, 1e3, 1e6, 1e4)))
    error: float = 0.0
    """Exponentially weighted mean of |predicted - taken| / taken: the calibration error that metrics show."""

    prompt_error: float = 0.0
    """The same of steps that compute a prompt, once their prices are known, and without pauses of the machine, which
    nobody can plan for."""

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """Learn from one step; steps of no measurable length teach nothing."""
        if elapsed_us <= 0 or not (load.decode_rows or load.prefill_tokens):
            return
        if self._reading.seen + self._computing.seen:
            relative = abs(self.predict_us(load) - elapsed_us) / elapsed_us
            self.error += 0.02 * (min(relative, OUTLIER) - self.error)
            if load.prefill_tokens >= MIN_PREFILL_TOKENS and self._computing.seen >= KNOWN:
                self.prompt_error += 0.02 * (min(relative, PAUSE) - self.prompt_error)
        if load.prefill_tokens >= MIN_PREFILL_TOKENS:
            self._computing.learn(_computing(load), float(elapsed_us))
        elif not load.prefill_tokens:
            self._reading.learn(_reading(load), float(elapsed_us))

    def predict_us(self, load: StepLoad) -> int:
        """Expected time of a step."""
        reading = self._reading.predict(_reading(load)) if load.decode_rows else 0.0
        computing = self._computing.predict(_computing(load)) if load.prefill_tokens else 0.0
        return round(max(reading, computing))

    @property
    def decode_token_us(self) -> float:
        """Time per token of one request, served alone."""
        return self._reading.predict(_reading(StepLoad(decode_rows=1)))

    def decode_us(self, tokens: int) -> int:
        """Time to produce ``tokens`` tokens of one request, served alone."""
        return round(tokens * self.decode_token_us)

    @property
    def prefill_prices_us(self) -> tuple[float, float, float]:
        """What a step with prompt tokens costs: in itself, per token, and per pair of a token and one it attends to."""
        return self._computing.price(0), self._computing.price(1), self._computing.price(2)

    def prefill_us(self, tokens: int, context: int = 0) -> int:
        """Time to compute ``tokens`` prompt tokens that follow ``context`` cached ones."""
        if tokens <= 0:
            return 0
        constant, token, pair = self.prefill_prices_us
        return round(constant + token * tokens + pair * (tokens * context + tokens * tokens // 2))

    def prefill_tokens_within(self, budget_us: int, decode: StepLoad, context: int) -> int:
        """Prompt tokens after ``context`` others that a step with this decoding may compute in ``budget_us``."""
        constant, token, pair = self.prefill_prices_us
        room = budget_us - constant - token * decode.decode_rows - self._computing.price(3) * decode.kv_tokens
        if room <= 0 or self._reading.predict(_reading(decode)) > budget_us:
            return 0
        linear = token + pair * context
        if linear * MANY_TOKENS + pair * MANY_TOKENS * MANY_TOKENS / 2 <= room:
            return MANY_TOKENS
        # Solves linear * p + pair * p^2 / 2 = room, in the form that does not cancel for small pair prices.
        return int(2 * room / (linear + (linear * linear + 2 * pair * room) ** 0.5))


def _reading(load: StepLoad) -> tuple[float, float, float]:
    return 1.0, load.decode_rows, load.kv_tokens


def _computing(load: StepLoad) -> tuple[float, float, float, float]:
    return 1.0, load.prefill_tokens + load.decode_rows, load.prefill_pairs, load.kv_tokens
