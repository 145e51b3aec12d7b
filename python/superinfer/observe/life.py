"""The life of one request as spans of time, one after the other."""

from dataclasses import dataclass, field

from superinfer.observe.phases import Phase


@dataclass(frozen=True, slots=True)
class Span:
    """What a request did, from ``start_us`` to ``end_us``."""

    name: str
    start_us: int
    end_us: int


@dataclass(slots=True)
class Life:
    """Spans of one request.

    Events carry times from several places, so a later one may be stamped a little earlier: spans never run
    backwards, nor into each other.

    Attributes:
        opened_us: Begin of what is known.
        spans: What is over.
        arrived_us: When the request arrived, if that is known.
    """

    opened_us: int
    spans: list[Span] = field(default_factory=list)
    arrived_us: int | None = None
    _phase: Phase | None = None
    _since_us: int = field(init=False)

    def __post_init__(self) -> None:
        self._since_us = self.opened_us

    def assume(self, phase: Phase, since_us: int) -> None:
        """Fill in what a request did before the first event that told its phase."""
        if self._phase is None and not self.spans:
            self.opened_us = min(self.opened_us, since_us)
            self._phase, self._since_us = phase, since_us

    def enter(self, phase: Phase, at_us: int) -> None:
        """A phase begins, and the one before ends."""
        self.end(at_us)
        self._phase = phase

    def end(self, at_us: int, ttft_us: int | None = None) -> None:
        """The present phase is over.

        Args:
            at_us: When.
            ttft_us: Time from arrival to the first token. If both are known, service up to it is told apart as
                ``prefill``.
        """
        end_us = max(at_us, self._since_us)
        if self._phase is not None:
            self.spans.append(Span(self._phase, self._since_us, end_us))
        self._phase, self._since_us = None, end_us
        if ttft_us is not None and self.arrived_us is not None:
            self.spans = [part for span in self.spans for part in _split(span, self.arrived_us + ttft_us)]

    @property
    def ended_us(self) -> int:
        """End of what is known."""
        return self._since_us


def _split(span: Span, first_token_us: int) -> list[Span]:
    if span.name != Phase.RUNNING or first_token_us <= span.start_us:
        return [span]
    if first_token_us >= span.end_us:
        return [Span("prefill", span.start_us, span.end_us)]
    return [Span("prefill", span.start_us, first_token_us), Span(span.name, first_token_us, span.end_us)]
