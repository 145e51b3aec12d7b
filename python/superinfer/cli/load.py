"""The load of ``superinfer simulate`` and ``superinfer plan``: its arguments, and the requests they describe."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from superinfer.sim.machine import Machine
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival, begun_anywhere, merged, poisson, read_trace, scaled
from superinfer.workload.mix import mixed, parse_mix
from superinfer.workload.promises import by_prompt
from superinfer.workload.synthetic import Synthetic, parse_lengths

SYNTHETIC = {"synthetic:poisson": False, "synthetic:bursty": True}
"""Traces that are made up, and whether they come in bursts."""


def add_load_arguments(
    parser: argparse.ArgumentParser, batch_deadline_s: int | None
) -> argparse._MutuallyExclusiveGroup:
    """Add the arguments that describe a load; ``batch_deadline_s`` is the default of that argument.

    Returns:
        The group of ``--trace``, one of which has to be given, for what takes its place.
    """
    group = parser.add_argument_group("load")
    source, add = group.add_mutually_exclusive_group(required=True), group.add_argument
    traces = " or ".join(SYNTHETIC)
    source.add_argument("--trace", help=f"requests: FILE.csv in Azure's format, FILE.jsonl in Mooncake's, {traces}")
    add("--rate", type=float, default=1.0, help="speed of the trace (default: 1)")
    add("--duration-s", type=float, default=600.0, help="length of the load (default: 600)")
    add("--slo-mix", metavar="MIX", help="classes of the trace's requests, such as interactive:0.5,batch:0.5")
    add("--batch-per-s", type=float, default=0.0, help="documents per second (default: none)")
    add("--batch-tokens", default="3000,300", help="prompt,output of a document (default: 3000,300)")
    add("--batch-trace", type=Path, metavar="FILE", help="more batch requests: a trace, begun at a random place")
    add("--batch-rate", type=float, default=1.0, help="speed of the batch trace (default: 1)")
    add("--ttft-ms", type=int, default=1000, help="interactive: first token (default: 1000)")
    add("--tpot-ms", type=int, default=100, help="interactive: pace (default: 100)")
    add(
        "--batch-deadline-s",
        type=int,
        default=batch_deadline_s,
        help=f"batch: last token (default: {batch_deadline_s or 'nothing is promised'})",
    )
    add("--requests-per-s", type=float, default=1.0, help="synthetic: mean rate before --rate (default: 1)")
    add("--burstiness", type=float, default=4.0, help="synthetic:bursty: deviation over mean of the gaps (default: 4)")
    add("--prompt-tokens", default="lognormal:800,1", metavar="LENGTHS", help="synthetic (default: lognormal:800,1)")
    add(
        "--output-tokens",
        default="lognormal:150,0.8",
        metavar="LENGTHS",
        help="synthetic (default: lognormal:150,0.8); LENGTHS are fixed:N, uniform:LEAST,MOST, exponential:MEAN or "
        "lognormal:MEDIAN,SIGMA",
    )
    return source


def build_load(options: argparse.Namespace, machine: Machine, seed: int, factor: float = 1.0) -> list[Arrival]:
    """The requests that arguments describe, by arrival.

    What does not fit into the machine alone is left out, with a line on stderr: a server refuses it, too.

    Args:
        options: Parsed arguments of ``add_load_arguments``.
        machine: No first token is promised sooner than its prefill allows.
        seed: Of everything random.
        factor: Times the rates of the arguments.

    Raises:
        ValueError: An argument cannot be used.
        OSError: The trace cannot be read.
    """
    requests = _requests(options, seed, factor)
    if options.slo_mix:
        requests = mixed(requests, parse_mix(options.slo_mix), seed)
    else:
        requests = [replace(request, slo=SLO(cls="interactive")) for request in requests]
    batch = [replace(request, slo=SLO(cls="batch")) for request in _batch(options, seed, factor)]
    load = merged(requests, batch)
    fitting = [request for request in load if request.prompt_tokens + request.output_tokens < machine.kv_tokens]
    if left_out := len(load) - len(fitting):
        print(f"{left_out} of {len(load)} requests are left out: the KV pool cannot hold one of them", file=sys.stderr)
    return _promised(fitting, options, machine.prefill_alone_us)


def _requests(options: argparse.Namespace, seed: int, factor: float) -> list[Arrival]:
    speed = options.rate * factor
    if options.trace not in SYNTHETIC:
        return scaled(read_trace(Path(options.trace)), speed, options.duration_s)
    synthetic = Synthetic(
        options.requests_per_s * speed,
        parse_lengths(options.prompt_tokens),
        parse_lengths(options.output_tokens),
        options.burstiness if SYNTHETIC[options.trace] else 1.0,
    )
    return synthetic.arrivals(options.duration_s, seed)


def _batch(options: argparse.Namespace, seed: int, factor: float) -> list[Arrival]:
    prompt, _, output = options.batch_tokens.partition(",")
    documents = poisson(options.batch_per_s * factor, options.duration_s, int(prompt), int(output or 300), seed)
    if options.batch_trace is None:
        return documents
    trace = begun_anywhere(read_trace(options.batch_trace), seed)
    return merged(documents, scaled(trace, options.batch_rate * factor, options.duration_s))


def _promised(requests: list[Arrival], options: argparse.Namespace, prefill_us: Callable[[int], int]) -> list[Arrival]:
    """Interactive requests with the targets of the arguments, batch with the deadline, the rest as they are."""
    kinds: dict[str | None, list[Arrival]] = {}
    for request in requests:
        kinds.setdefault(request.slo.cls, []).append(request)
    interactive = by_prompt(kinds.pop("interactive", []), prefill_us, ttft_ms=options.ttft_ms, tpot_ms=options.tpot_ms)
    batch = kinds.pop("batch", [])
    if options.batch_deadline_s is not None:
        deadline_ms = 1000 * options.batch_deadline_s
        batch = [replace(request, slo=replace(request.slo, deadline_ms=deadline_ms)) for request in batch]
    return merged(interactive, *kinds.values(), batch)
