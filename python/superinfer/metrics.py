"""The metrics SuperInfer adds to SGLang's ``/metrics``, as data: code, docs and dashboards share this table."""

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "superinfer:"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: Without the prefix; units and ``_total`` as Prometheus wants them.
        kind: ``counter``, ``histogram`` or ``gauge``.
        help: One sentence.
        labels: Labels besides SGLang's own (model_name, engine_type, ranks).
        buckets: Upper bounds, for histograms.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as scraped."""
        return PREFIX + self.name


REQUESTS: Final = Metric(
    "slo_requests_total",
    "counter",
    "Requests finished, by SLO class and outcome: met, missed, none (nothing was promised), aborted or rejected.",
    ("slo_class", "outcome"),
)
GOODPUT_TOKENS: Final = Metric(
    "goodput_tokens_total",
    "counter",
    "Output tokens of requests that met their SLO or had none to miss.",
    ("slo_class",),
)
FIRST_TOKEN_SLACK: Final = Metric(
    "slo_first_token_slack_seconds",
    "histogram",
    "Time left when the first token was sent; negative buckets are late ones.",
    ("slo_class",),
    (-30.0, -10.0, -5.0, -2.0, -1.0, -0.5, -0.2, -0.1, 0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
DECISION: Final = Metric(
    "scheduler_decision_seconds",
    "histogram",
    "Time one pass took to order the waiting queue.",
    (),
    (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
)
WAITING: Final = Metric("waiting_requests", "gauge", "Requests waiting for admission, by SLO class.", ("slo_class",))
ROTATIONS: Final = Metric(
    "rotations_total",
    "counter",
    "Requests taken out of the engine, by their class and by what for: memory, aged, displaced, paused or forced.",
    ("slo_class", "reason"),
)
PARKED: Final = Metric(
    "parked_requests",
    "gauge",
    "Waiting requests that have run before and were taken out, by SLO class.",
    ("slo_class",),
)
STEP_TIME_ERROR: Final = Metric(
    "step_time_error_ratio", "gauge", "Running mean of |predicted - taken| / taken over engine steps."
)
PROMPT_TIME_ERROR: Final = Metric(
    "prompt_time_error_ratio",
    "gauge",
    "The same over steps that compute a prompt, once their prices are known, and without pauses of the machine.",
)
LOAD_TIME_ERROR: Final = Metric(
    "load_time_error_ratio",
    "gauge",
    "The same over loads from the host; when one has ended is seen between steps.",
)
OUTPUT_WITHIN: Final = Metric(
    "output_length_within_ratio",
    "gauge",
    "Running part of requests that produced no more tokens than predicted, of those that could have: 0.7 is meant.",
)
HOST_BYTES: Final = Metric("host_kv_bytes", "gauge", "Host memory with KV in it; only where there is a host tier.")
HOST_TOKENS: Final = Metric(
    "host_kv_tokens_total",
    "counter",
    "Tokens of KV that were offloaded to the host, loaded back, prefetched (loaded before their request came in), and"
    " found there when it did (hit); that left the device without a copy, which would not have paid (discarded), or the"
    " host to make room (evicted); and whose copies failed (offload_failed, load_failed).",
    ("what",),
)
EVICTED_TOKENS: Final = Metric(
    "evicted_tokens_total",
    "counter",
    "KV tokens that made room, by the rule that chose them: learned or lru.",
    ("rule",),
)
PREFIX_HIT_TOKENS: Final = Metric(
    "prefix_hit_tokens_total", "counter", "Prompt tokens that were found in the cache when their request came in."
)
PINNED_TOKENS: Final = Metric("pinned_tokens", "gauge", "KV tokens that clients have pinned.")
LEARNED_DECIDES: Final = Metric(
    "cache_learned_ratio",
    "gauge",
    "One while the learned rule chooses what is evicted, zero while its guard, LRU, does.",
)

KV_BYTES: Final = Metric(
    "kv_bytes",
    "gauge",
    "Bytes of KV pages in use, by format; only with kv.budget, as all that begins with kv.",
    ("format",),
)
KV_REGION: Final = Metric("kv_region_bytes", "gauge", "Bytes of KV memory that a format has.", ("format",))
KV_MOVED: Final = Metric(
    "kv_moved_bytes_total",
    "counter",
    "Bytes of KV memory that a format was given by others, as the mix of requests changed.",
    ("format",),
)
KV_PEAK: Final = Metric(
    "kv_peak_bytes", "gauge", "The most bytes of KV pages in use at a time since the cache was last flushed."
)
KV_REQUESTS: Final = Metric(
    "kv_requests_total", "counter", "Requests that arrived, by the coarsest format that they accept.", ("format",)
)
KV_SEALED: Final = Metric(
    "kv_sealed_pages_total",
    "counter",
    "Pages that were sealed when they were full, by the format they got.",
    ("format",),
)
KV_SPILLED: Final = Metric(
    "kv_spilled_pages_total",
    "counter",
    "Times a full page got a finer format than its request accepts, or stayed native, for want of room.",
)
KV_LATE: Final = Metric(
    "kv_late_pages_total",
    "counter",
    "Full pages that went into the cache as native ones, although their request accepts a coarser format, because there"
    " was enough native memory.",
)
KV_COMPRESSED: Final = Metric(
    "kv_compressed_pages_total",
    "counter",
    "Pages of cached prefixes that were made coarser instead of evicted, by the format they had and the one they got.",
    ("source", "format"),
)

METRICS: Final = (
    REQUESTS,
    GOODPUT_TOKENS,
    FIRST_TOKEN_SLACK,
    DECISION,
    WAITING,
    ROTATIONS,
    PARKED,
    STEP_TIME_ERROR,
    PROMPT_TIME_ERROR,
    LOAD_TIME_ERROR,
    OUTPUT_WITHIN,
    HOST_BYTES,
    HOST_TOKENS,
    EVICTED_TOKENS,
    PREFIX_HIT_TOKENS,
    PINNED_TOKENS,
    LEARNED_DECIDES,
    KV_BYTES,
    KV_REGION,
    KV_MOVED,
    KV_PEAK,
    KV_REQUESTS,
    KV_SEALED,
    KV_SPILLED,
    KV_LATE,
    KV_COMPRESSED,
)
