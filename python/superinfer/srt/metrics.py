"""SuperInfer's metrics as Prometheus objects in the scheduler process."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import Any

from superinfer import metrics as table
from superinfer.sched import SLOState


class SchedulerMetrics:
    """Publishes outcomes and decisions. Implements the observers of ledger and cache.

    Create it only after SGLang has set ``PROMETHEUS_MULTIPROC_DIR``: prometheus_client decides at import
    whether its values are shared between processes.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._requests = create(table.REQUESTS, labels)
        self._goodput = create(table.GOODPUT_TOKENS, labels)
        self._slack = create(table.FIRST_TOKEN_SLACK, labels)
        self._decision = create(table.DECISION, labels)
        self._waiting = create(table.WAITING, labels)
        self._parked = create(table.PARKED, labels)
        self._rotations = create(table.ROTATIONS, labels)
        self._estimates = [
            create(metric, labels)
            for metric in (
                table.STEP_TIME_ERROR,
                table.PROMPT_TIME_ERROR,
                table.LOAD_TIME_ERROR,
                table.OUTPUT_WITHIN,
            )
        ]
        self._host_bytes = create(table.HOST_BYTES, labels)
        self._host_tokens = create(table.HOST_TOKENS, labels)
        self._moved: Tally[str] = Tally()
        self._evicted = create(table.EVICTED_TOKENS, labels)
        self._prefix_hits = create(table.PREFIX_HIT_TOKENS, labels)
        self._pinned = create(table.PINNED_TOKENS, labels)
        self._learned_decides = create(table.LEARNED_DECIDES, labels)
        self._classes: dict[Any, set[str]] = {self._waiting: set(), self._parked: set()}

    def first_token(self, state: SLOState) -> None:
        """Observe the slack left at the first token."""
        due_us, first_us = state.first_due_us, state.timeline.first_us
        if due_us is not None and first_us is not None:
            self._slack.labels(**self._of(state)).observe((due_us - first_us) / 1e6)

    def finished(self, state: SLOState, outcome: str) -> None:
        """Count an outcome, and the tokens if they were worth something."""
        self._requests.labels(**self._of(state), outcome=outcome).inc()
        if outcome in ("met", "none"):
            self._goodput.labels(**self._of(state)).inc(state.timeline.tokens)

    def decided(self, elapsed_us: int) -> None:
        """Observe one ordering of the waiting queue."""
        self._decision.labels(**self._labels).observe(elapsed_us / 1e6)

    def waiting(self, states: Iterable[SLOState]) -> None:
        """Publish who is waiting."""
        self._count(self._waiting, states)

    def parked(self, states: Iterable[SLOState]) -> None:
        """Publish who of those has run before."""
        self._count(self._parked, states)

    def rotated(self, reasons: Iterable[tuple[SLOState, str]]) -> None:
        """Count requests that are taken out, and why."""
        for state, reason in reasons:
            self._rotations.labels(**self._of(state), reason=reason).inc()

    def evicted(self, rule: str, tokens: int) -> None:
        """Count KV that made room, and the rule that chose it."""
        self._evicted.labels(**self._labels, rule=rule).inc(tokens)
        self._learned_decides.labels(**self._labels).set(rule == "learned")

    def found(self, tokens: int) -> None:
        """Count what a request found in the cache."""
        self._prefix_hits.labels(**self._labels).inc(tokens)

    def pinned(self, tokens: int) -> None:
        """Publish how much is pinned."""
        self._pinned.labels(**self._labels).set(tokens)

    def estimates(self, step: float, prompt: float, load: float, output_within: float) -> None:
        """Publish how far off predicted times are, and how many answers were as short as predicted."""
        for gauge, value in zip(self._estimates, (step, prompt, load, output_within), strict=True):
            gauge.labels(**self._labels).set(value)

    def host(self, used_bytes: int, moved: Mapping[str, int]) -> None:
        """Publish what the host tier holds, and how many tokens it has moved in all, by what was done with them."""
        self._host_bytes.labels(**self._labels).set(used_bytes)
        for what, tokens in moved.items():
            self._host_tokens.labels(**self._labels, what=what).inc(tokens - self._moved[what])
            self._moved[what] = tokens

    def _count(self, gauge: Any, states: Iterable[SLOState]) -> None:
        counts = Tally(state.slo.cls or "" for state in states)
        self._classes[gauge] |= counts.keys()
        for name in self._classes[gauge]:
            gauge.labels(**self._labels, slo_class=name).set(counts[name])

    def _of(self, state: SLOState) -> dict[str, str]:
        return {**self._labels, "slo_class": state.slo.cls or ""}


def create(metric: table.Metric, own_labels: Iterable[str]) -> Any:
    """A metric as a Prometheus object, with ``own_labels`` before those of the table."""
    import prometheus_client as prometheus

    names = [*own_labels, *metric.labels]
    if metric.kind == "counter":
        return prometheus.Counter(metric.full_name, metric.help, names)
    if metric.kind == "histogram":
        return prometheus.Histogram(metric.full_name, metric.help, names, buckets=metric.buckets)
    return prometheus.Gauge(metric.full_name, metric.help, names, multiprocess_mode="mostrecent")
