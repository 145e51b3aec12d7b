"""The measurement as one JSON document and as a table."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from benchmark.engine.figures import MIXED_TOTAL, throughput_name
from benchmark.engine.limits import Limits, ModelSize
from benchmark.engine.measure import Measurement
from benchmark.engine.plans import CONCURRENCIES, PROMPT_TOKENS
from benchmark.engine.stats import Spread, ratio
from benchmark.engine.workloads import Decode, Prefill

Summary = dict[str, dict[str, Spread]]
"""Engine -> figure -> spread over the repeats."""

_DECODE = {str(n): throughput_name(Decode(n)) for n in CONCURRENCIES}
_PREFILL = {str(n): throughput_name(Prefill(n)) for n in PROMPT_TOKENS}
_CACHED = {str(n): throughput_name(Prefill(n, cached=True)) for n in PROMPT_TOKENS}
_CHAT = tuple(f"mixed_chat_{which}_ms" for which in ("ttft_p50", "ttft_p99", "e2e_p50", "e2e_p99"))


def document(
    measurement: Measurement, size: ModelSize, machine: Mapping[str, Any], command: str, *, eager: bool
) -> dict[str, Any]:
    """Everything measured and what follows from it.

    Args:
        measurement: What was measured.
        size: Of the model served.
        machine: See ``benchmark.engine.machine``.
        command: What to run to measure the same again.
        eager: vLLM was started without compiling.
    """
    summary = summarise(measurement)
    limits = best(measurement.limits)
    bounds = bounds_tok_s(size, limits)
    return {
        "command": command,
        "machine": machine,
        "settings": {"vllm_compiled": not eager},
        "ratios": ratios(summary),
        "limits": {
            **asdict(limits),
            "weight_bytes": size.weight_bytes,
            "bounds_tok_s": bounds,
            "fraction_of_bound": fractions(summary, bounds),
        },
        "engines": {
            engine: {
                "first_token_after_start_s": startup.first_token_s,
                "resident_bytes_after_start": startup.resident_bytes,
                "resident_bytes_after_load": measurement.resident_bytes_after[engine],
                "resident_over_weight_bytes": startup.resident_bytes / size.weight_bytes,
            }
            for engine, startup in measurement.startups.items()
        },
        "summary": {engine: {name: asdict(spread) for name, spread in of.items()} for engine, of in summary.items()},
        "runs": [asdict(run) for run in measurement.runs],
    }


def summarise(measurement: Measurement) -> Summary:
    """Median, least and greatest of each figure of each engine."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in measurement.runs:
        for name, value in run.figures.items():
            values[run.engine][name].append(value)
    return {engine: {name: Spread.of(found) for name, found in of.items()} for engine, of in values.items()}


def best(limits: list[Limits]) -> Limits:
    """The most that was seen: what disturbs a measurement of a limit only lowers it."""
    return Limits(
        max(limit.read_bytes_per_s for limit in limits),
        max(limit.fp32_flop_per_s for limit in limits),
    )


def bounds_tok_s(size: ModelSize, limits: Limits) -> dict[str, float]:
    """What no engine can exceed on this machine, by name of the figure."""
    return {_DECODE[str(n)]: size.decode_bound_tok_s(limits, n) for n in CONCURRENCIES} | {
        _PREFILL[str(n)]: size.prefill_bound_tok_s(limits, n) for n in PROMPT_TOKENS
    }


def fractions(summary: Summary, bounds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Engine -> figure -> median over its bound."""
    return {
        engine: {name: of[name].median / bound for name, bound in bounds.items() if name in of}
        for engine, of in summary.items()
    }


def ratios(summary: Summary) -> dict[str, Any]:
    """SuperInfer's figures over each peer's: above 1 is better for tokens per second, below 1 for milliseconds.

    vLLM's figure is the better of its two settings of threads, where both were measured. ``prefill`` and
    ``cached_prefill`` are geometric means over the prompt lengths. What was not measured is ``None``.
    """
    medians = {engine: {name: spread.median for name, spread in of.items()} for engine, of in summary.items()}
    medians["vllm"] = _better(medians.get("vllm", {}), medians.get("vllm-auto", {}))
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
        }
    return found


def _better(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Figure by figure, the greater rate or the shorter time."""
    choose = {True: max, False: min}
    return {
        name: choose[name.endswith("_tok_s")](of[name] for of in (one, other) if name in of)
        for name in one.keys() | other.keys()
    }


def table(summary: Summary, bounds: Mapping[str, float]) -> Table:
    """Medians with least and greatest, and the share of the bound that they reach."""
    view = Table(title="median (least to greatest), share of the machine's bound")
    view.add_column("figure", no_wrap=True)
    for engine in summary:
        view.add_column(engine, justify="right", no_wrap=True)
    for name in dict.fromkeys(name for of in summary.values() for name in of):
        view.add_row(name, *(_cell(of.get(name), bounds.get(name)) for of in summary.values()))
    return view


def _cell(spread: Spread | None, bound: float | None) -> str:
    if spread is None:
        return ""
    share = f", {spread.median / bound:.0%}" if bound else ""
    return f"{spread.median:,.1f} ({spread.min:,.1f} to {spread.max:,.1f}){share}"
