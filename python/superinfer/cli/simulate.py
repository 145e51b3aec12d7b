"""``superinfer simulate``: a trace under several policies, on a machine that is not at hand."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from superinfer.cli.errors import UserError


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer simulate``."""
    parser = argparse.ArgumentParser(
        prog="superinfer simulate",
        description="Serve a trace of chat, and documents as batch beside it, under scheduling policies on a cost "
        "model of hardware and model. Chat is promised a first token within max(--ttft-ms, 3 x its prefill alone) "
        "and --tpot-ms per token.",
    )
    parser.add_argument("--trace", type=Path, required=True, help="chat: .csv in Azure's format, .jsonl in Mooncake's")
    parser.add_argument("--rate", type=float, default=1.0, help="speed of the trace (default: 1)")
    parser.add_argument("--duration-s", type=float, default=600.0, help="length of the load (default: 600)")
    parser.add_argument("--batch-per-s", type=float, default=0.0, help="documents per second (default: none)")
    parser.add_argument("--batch-tokens", default="3000,300", help="prompt,output of a document (default: 3000,300)")
    parser.add_argument("--ttft-ms", type=int, default=1000, help="chat's first token (default: 1000)")
    parser.add_argument("--tpot-ms", type=int, default=100, help="chat's pace (default: 100)")
    parser.add_argument(
        "--hardware", default="a100x4", help="a100, h100, gh200 or cpu, xN for several (default: a100x4)"
    )
    parser.add_argument("--model", default="llama-3.1-70b", help="model shape (default: llama-3.1-70b)")
    parser.add_argument("--policy", default="fcfs,slack,rotation", help="policies, separated by commas; or all")
    parser.add_argument("--seed", type=int, default=0, help="of the documents' arrivals (default: 0)")
    parser.add_argument("--json", type=Path, help="write all figures")
    return parser


def run(argv: Sequence[str]) -> int:
    """Simulate and print a table."""
    options = build_parser().parse_args(argv)
    try:
        results = simulate(options)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    _show(results)
    if options.json:
        options.json.write_text(json.dumps({result["policy"]: result for result in results}, indent=2) + "\n")
    return 0


def simulate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Figures of each policy.

    Raises:
        ValueError: An argument cannot be used.
    """
    from superinfer.sim.hardware import hardware
    from superinfer.sim.models import model
    from superinfer.sim.roofline import Roofline
    from superinfer.sim.run import POLICIES
    from superinfer.sim.run import simulate as run_policy
    from superinfer.slo import SLO
    from superinfer.workload.arrivals import merged, poisson, promised, read_trace, scaled
    from superinfer.workload.promises import by_prompt

    cost = Roofline(hardware(options.hardware), model(options.model))
    chat = by_prompt(
        scaled(read_trace(options.trace), options.rate, options.duration_s),
        cost.prefill_alone_us,
        ttft_ms=options.ttft_ms,
        tpot_ms=options.tpot_ms,
    )
    prompt, _, output = options.batch_tokens.partition(",")
    documents = poisson(options.batch_per_s, options.duration_s, int(prompt), int(output or 300), options.seed)
    load = merged(chat, list(promised(documents, SLO(cls="batch"))))
    names = list(POLICIES) if options.policy == "all" else options.policy.split(",")
    return [run_policy(load, name, cost) for name in names]


def _show(results: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("policy", "class", "sent", "met", "TTFT p50 ms", "TTFT p99 ms", "norm p99", "tokens/s", "rotations")
    for result in results:
        for name, figures in result["classes"].items():
            table.add_row(
                result["policy"],
                name,
                str(figures["sent"]),
                f"{100 * figures['share']:.1f} %",
                f"{figures['ttft_p50_ms']:.0f}",
                f"{figures['ttft_p99_ms']:.0f}",
                f"{figures['norm_p99']:.2f}",
                f"{result['tokens_per_s']:.0f}",
                str(result["totals"]["rotations"]),
            )
    Console().print(table)
