"""The measurement as one JSON document and as a table."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from benchmark.engine.bounds import bound_tok_s, bytes_per_weight
from benchmark.engine.figures import throughput_name
from benchmark.engine.limits import Limits, best
from benchmark.engine.measure import Measurement
from benchmark.engine.memory import resident_weights
from benchmark.engine.plans import Plan
from benchmark.engine.shape import FLOAT32_BYTES, ModelShape
from benchmark.engine.stats import Spread
from benchmark.engine.summary import READY, Summary, ratios, summarise
from benchmark.engine.workloads import Mixed

Bounds = dict[str, dict[str, float]]
"""Engine -> figure -> tokens per second that it cannot exceed on this machine."""


def document(measurement: Measurement, plan: Plan, shape: ModelShape, description: Mapping[str, Any]) -> dict[str, Any]:
    """Everything measured and what follows from it.

    Args:
        measurement: What was measured.
        plan: What was asked for.
        shape: Of the model served.
        description: How and on what it was measured; becomes part of the document.
    """
    summary = summarise(measurement, shape)
    limits = best(measurement.limits)
    bounds = all_bounds(plan, list(measurement.startups), shape, limits)
    return {
        **description,
        "ratios": ratios(summary),
        "limits": {**asdict(limits), "bounds_tok_s": bounds, "fraction_of_bound": fractions(summary, bounds)},
        "ready_s": {engine: asdict(of[READY]) for engine, of in summary.items()},
        "resident_weights": {
            engine: {**asdict(weights), "ratio": weights.ratio}
            for engine, weights in resident_weights(measurement, shape).items()
        },
        "engines": _engines(measurement, shape),
        "summary": {engine: {name: asdict(spread) for name, spread in of.items()} for engine, of in summary.items()},
        "runs": [asdict(run) for run in measurement.runs],
    }


def all_bounds(plan: Plan, engines: list[str], shape: ModelShape, limits: Limits) -> Bounds:
    """Bounds of the plan's workloads for each engine: what one weight takes is its own choice."""
    bounds: Bounds = {}
    for engine in engines:
        size_bytes = bytes_per_weight(engine, shape)
        able = limits.by_products(shape.products if size_bytes < FLOAT32_BYTES else 0)
        weight_bytes = shape.weight_bytes(size_bytes)
        bounds[engine] = {
            throughput_name(workload): bound
            for workload in plan.workloads
            if not isinstance(workload, Mixed) and (bound := bound_tok_s(workload, shape, able, weight_bytes))
        }
    return bounds


def fractions(summary: Summary, bounds: Bounds) -> dict[str, dict[str, float]]:
    """Engine -> figure -> median over its bound."""
    return {
        engine: {name: of[name].median / bound for name, bound in bounds[engine].items() if name in of}
        for engine, of in summary.items()
    }


def _engines(measurement: Measurement, shape: ModelShape) -> dict[str, Any]:
    return {
        engine: {
            "starts": [asdict(startup) for startup in startups],
            "resident_bytes_after_load": measurement.resident_bytes_after[engine],
            "bytes_per_weight_in_bounds": bytes_per_weight(engine, shape),
            "kernel_libraries": measurement.kernel_libraries[engine],
        }
        for engine, startups in measurement.startups.items()
    }


def table(summary: Summary, bounds: Bounds) -> Table:
    """Medians with least and greatest, and the share of the bound that they reach."""
    view = Table(title="median (least to greatest), share of the machine's bound")
    view.add_column("figure", no_wrap=True)
    for engine in summary:
        view.add_column(engine, justify="right", no_wrap=True)
    for name in dict.fromkeys(name for of in summary.values() for name in of):
        view.add_row(name, *(_cell(of.get(name), bounds[engine].get(name)) for engine, of in summary.items()))
    return view


def _cell(spread: Spread | None, bound: float | None) -> str:
    if spread is None:
        return ""
    share = f", {spread.median / bound:.0%}" if bound else ""
    digits = 1 if spread.median >= 10 else 2
    return f"{spread.median:,.{digits}f} ({spread.min:,.{digits}f} to {spread.max:,.{digits}f}){share}"
