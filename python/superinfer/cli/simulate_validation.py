"""What ``superinfer simulate --validate`` prints and writes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from superinfer.cli.simulate_output import console
from superinfer.sim.validate import Comparison


def show_comparisons(comparisons: Mapping[str, Sequence[Comparison]]) -> None:
    """Print a table of what was measured and simulated, by policy."""
    table = Table("policy", "class", "requests", "figure", "measured", "simulated", "simulated / measured")
    for policy, figures in comparisons.items():
        for one in figures:
            name = f"{one.figure.removesuffix('_ms').upper()} p{one.percent} ms"
            times = (f"{one.measured:.1f}", f"{one.simulated:.1f}", f"{one.ratio:.2f}")
            table.add_row(policy, one.cls, str(one.requests), name, *times)
    console().print(table)


def write_comparisons(comparisons: Mapping[str, Sequence[Comparison]], path: Path) -> None:
    """Write ``{policy: [figures]}`` as JSON, each with its ratio."""
    figures = {policy: [asdict(one) | {"ratio": one.ratio} for one in some] for policy, some in comparisons.items()}
    path.write_text(json.dumps(figures, indent=2) + "\n")
