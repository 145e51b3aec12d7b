"""What ``superinfer simulate --kv-formats`` prints."""

from collections.abc import Sequence

from rich.table import Table

from superinfer.cli.simulate_output import console
from superinfer.sim.sweep import Point


def show_kv(points: Sequence[Point]) -> None:
    """Print peaks of KV in GB by class, all native and in the formats, and of all classes together.

    Classes have their peaks at different times, so that these add up to more than that of all.
    """
    table = Table("policy", "load", "seed", "class", "format", "native KV, GB", "KV, GB", "of native")
    for point in points:
        kv = point.figures["kv"]
        rows = [*kv["classes"].items(), ("all", {**kv, "format": ""})]
        for name, peak in rows:
            native, kept = peak["peak_native_bytes"], peak["peak_bytes"]
            share = f"{100 * kept / native:.0f} %" if native else ""
            cells = (name, peak["format"], f"{native / 1e9:.1f}", f"{kept / 1e9:.1f}", share)
            table.add_row(point.policy, f"{point.load:g}", str(point.seed), *cells)
    console().print(table)
