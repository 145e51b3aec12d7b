"""From single measurements to one figure with its spread, and from there to ratios."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.engine.figures import MIXED_TOTAL, throughput_name
from benchmark.engine.measure import Measurement
from benchmark.engine.memory import resident_weights
from benchmark.engine.plans import CONCURRENCIES, PROMPT_TOKENS
from benchmark.engine.shape import ModelShape
from benchmark.engine.stats import Spread, ratio
from benchmark.engine.workloads import Decode, Prefill

Summary = dict[str, dict[str, Spread]]
"""Engine -> figure -> spread over the repeats."""

READY = "ready_s"
RESIDENT_WEIGHTS = "resident_weights_over_float32"

_DECODE = {str(n): throughput_name(Decode(n)) for n in CONCURRENCIES}
_PREFILL = {str(n): throughput_name(Prefill(n)) for n in PROMPT_TOKENS}
_CACHED = {str(n): throughput_name(Prefill(n, cached=True)) for n in PROMPT_TOKENS}
_CHAT = tuple(f"mixed_chat_{which}_ms" for which in ("ttft_p50", "ttft_p99", "e2e_p50", "e2e_p99"))


def summarise(measurement: Measurement, shape: ModelShape) -> Summary:
    """Median, least and greatest of each figure of each engine."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in measurement.runs:
        for name, value in run.figures.items():
            values[run.engine][name].append(value)
    for engine, startups in measurement.startups.items():
        values[engine][READY] = [startup.ready_s for startup in startups]
    for engine, weights in resident_weights(measurement, shape).items():
        values[engine][RESIDENT_WEIGHTS] = [weights.ratio]
    return {engine: {name: Spread.of(found) for name, found in of.items()} for engine, of in values.items()}


def ratios(summary: Summary) -> dict[str, Any]:
    """SuperInfer's figures over each peer's: above 1 is better for tokens per second, below 1 for times and memory.

    vLLM's figure is the best of its settings, of those that were measured. ``prefill`` and
    ``cached_prefill`` are geometric means over the prompt lengths. What was not measured is ``None``.
    """
    medians = {engine: {name: spread.median for name, spread in of.items()} for engine, of in summary.items()}
    medians["vllm"] = _best([medians[engine] for engine in summary if engine.startswith("vllm")])
    found: dict[str, Any] = {}
    for peer in ("vllm", "stock"):

        def over(*metrics: str, peer: str = peer) -> float | None:
            return ratio(medians, metrics, "superinfer", peer)

        found |= {
            f"decode_vs_{peer}": {key: over(metric) for key, metric in _DECODE.items()},
            f"prefill_vs_{peer}": over(*_PREFILL.values()),
            f"prefill_vs_{peer}_by_length": {key: over(metric) for key, metric in _PREFILL.items()},
            f"cached_prefill_vs_{peer}": over(*_CACHED.values()),
            f"cached_prefill_vs_{peer}_by_length": {key: over(metric) for key, metric in _CACHED.items()},
            f"mixed_vs_{peer}": over(MIXED_TOTAL),
            f"mixed_latency_vs_{peer}": {metric: over(metric) for metric in _CHAT},
            f"ready_vs_{peer}": over(READY),
            f"resident_weights_vs_{peer}": over(RESIDENT_WEIGHTS),
        }
    return found


def _best(settings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Figure by figure, the greatest rate, or the shortest time or smallest memory."""
    choose = {True: max, False: min}
    return {
        name: choose[name.endswith("_tok_s")](of[name] for of in settings if name in of)
        for name in {name for of in settings for name in of}
    }
