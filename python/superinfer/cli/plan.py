"""``superinfer plan``: how many GPUs a load needs to keep its promises."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from superinfer.cli.errors import UserError
from superinfer.cli.load import add_load_arguments, build_load
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.plan import Planner, Size
from superinfer.sim.roofline import Roofline
from superinfer.sim.run import policy_names
from superinfer.workload.arrivals import Arrival


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer plan``."""
    parser = argparse.ArgumentParser(
        prog="superinfer plan",
        description="Find the smallest number of replicas with which every class of a load attains its SLOs, in one "
        "pool and in two separate pools for chat and batch. Requests go to replicas round-robin. Interactive requests "
        "are promised a first token within max(--ttft-ms, 3 x its prefill alone) and --tpot-ms per token.",
    )
    add_load_arguments(parser, batch_deadline_s=120)
    add = parser.add_argument_group("plan").add_argument
    add("--hardware", default="a100", help="a100, h100, gh200 or cpu (default: a100)")
    add("--tp", type=int, default=4, help="of these in a replica, by tensor parallelism (default: 4)")
    add("--model", default="llama-3.1-70b", help="model shape (default: llama-3.1-70b)")
    add("--attainment", type=float, default=0.95, help="share of each class that has to be on time (default: 0.95)")
    add("--policy", default="fcfs,rotation", help="policies, separated by commas; or all (default: fcfs,rotation)")
    add("--max-replicas", type=int, default=64, help="give up above (default: 64)")
    add("--seed", type=int, default=0, help="of everything random (default: 0)")
    add("--json", type=Path, metavar="FILE", help="write the plan")
    return parser


def run(argv: Sequence[str]) -> int:
    """Plan and print a table."""
    options = build_parser().parse_args(argv)
    try:
        plan = make_plan(options)
        _show(plan)
        if options.json:
            options.json.write_text(json.dumps(plan, indent=2) + "\n")
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def make_plan(options: argparse.Namespace) -> dict[str, Any]:
    """Sizes of the pools, by policy, ready for JSON.

    Raises:
        ValueError: An argument cannot be used.
        OSError: The trace cannot be read.
    """
    _check(options)
    gpus = hardware(options.hardware).times(options.tp)
    machine = Roofline(gpus, model(options.model))
    load = build_load(options, machine, options.seed)
    if not load:
        raise ValueError("the load has no requests")
    return {
        "hardware": options.hardware,
        "model": options.model,
        "gpus_per_replica": gpus.devices,
        "routing": "round-robin",
        "attainment": options.attainment,
        "max_replicas": options.max_replicas,
        "requests": len(load),
        "policies": {
            name: _pools(Planner(machine, name, options.attainment, options.max_replicas), load, gpus.devices)
            for name in policy_names(options.policy)
        },
    }


def _check(options: argparse.Namespace) -> None:
    for name in ("tp", "max_replicas"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 or more, not {getattr(options, name)}")
    if not 0 < options.attainment <= 1:
        raise ValueError(f"--attainment must be above 0 and at most 1, not {options.attainment:g}")


def _pools(planner: Planner, load: Sequence[Arrival], gpus_per_replica: int) -> dict[str, Any]:
    separate = {name: _size(size, gpus_per_replica) for name, size in planner.separate(load).items()}
    gpus = [size["gpus"] for size in separate.values()]
    return {
        "one_pool": _size(planner.mixed(load), gpus_per_replica),
        "two_pools": {"gpus": None if None in gpus else sum(gpus), **separate},
    }


def _size(size: Size | None, gpus_per_replica: int) -> dict[str, Any]:
    if size is None:
        return {"replicas": None, "gpus": None, "attained": {}}
    return {
        "replicas": size.replicas,
        "gpus": size.replicas * gpus_per_replica,
        "attained": dict(size.attained),
    }


def _show(plan: Mapping[str, Any]) -> None:
    table = Table("policy", "pools", "replicas", "GPUs", "attained")
    for policy, pools in plan["policies"].items():
        two = pools["two_pools"]
        for name, sizes in (("one", [pools["one_pool"]]), ("chat + batch", [two["chat"], two["batch"]])):
            gpus = [size["gpus"] for size in sizes]
            table.add_row(
                policy,
                name,
                " + ".join(_number(size["replicas"], plan["max_replicas"]) for size in sizes),
                "–" if None in gpus else str(sum(gpus)),
                ", ".join(f"{cls} {100 * share:.1f} %" for size in sizes for cls, share in size["attained"].items()),
            )
    Console().print(table)


def _number(replicas: int | None, at_most: int) -> str:
    return f"> {at_most}" if replicas is None else str(replicas)
