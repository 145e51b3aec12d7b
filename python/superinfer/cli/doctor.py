"""``superinfer doctor``: what is installed, what is active, what is unsupported here."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from superinfer.srt.threads import usable_cores

PACKAGES = ("superinfer", "sglang", "torch", "torchvision", "transformers", "triton", "xgrammar")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything ``doctor`` finds out.

    Attributes:
        versions: Package -> version, or "not installed".
        machine: Property -> value.
        platform: Class SGLang computes on under SuperInfer.
        hooks: Process -> SGLang symbol -> whether our replacement is in force.
        unsupported: Mode -> why it is refused.
    """

    versions: dict[str, str]
    machine: dict[str, str]
    platform: str
    hooks: dict[str, dict[str, bool]]
    unsupported: dict[str, str]

    @property
    def healthy(self) -> bool:
        """Whether a server would start as far as hooks go."""
        return all(active for hooks in self.hooks.values() for active in hooks.values())


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer doctor``."""
    parser = argparse.ArgumentParser(
        prog="superinfer doctor",
        description="Print versions, device, platform, active hooks, and what is unsupported here. Exits with 1 if a "
        "hook is not in force.",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def run(argv: Sequence[str]) -> int:
    """Examine this installation."""
    options = build_parser().parse_args(argv)
    report = examine()
    if options.json:
        json.dump(asdict(report) | {"healthy": report.healthy}, sys.stdout, indent=2)
        print()
    else:
        _show(report)
    return 0 if report.healthy else 1


def examine() -> Report:
    """Load SGLang as a server would, and look."""
    from superinfer.config import Config, enable

    enable(Config())
    from superinfer.srt import hooks, support

    active = hooks.load_all()
    from sglang.srt.platforms import current_platform

    return Report(
        versions={name: _version(name) for name in PACKAGES},
        machine=_machine(),
        platform=f"{type(current_platform).__module__}.{type(current_platform).__qualname__}",
        hooks={role.value: found for role, found in active.items()},
        unsupported={limit.mode: limit.why for limit in support.LIMITS},
    )


def _machine() -> dict[str, str]:
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "gpu": ", ".join(gpus) or "none",
        "cpu instructions": str(torch.backends.cpu.get_cpu_capability()),
        "cores usable": f"{usable_cores()} of {os.cpu_count()}",
        "kernels": _kernels(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
    }


def _kernels() -> str:
    from superinfer import kernels

    return f"compiled, {kernels.current_isa()}" if kernels.available() else f"not used: {kernels.unavailable_reason()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    tables = {
        "Versions": report.versions,
        "Machine": report.machine | {"platform": report.platform},
        "Hooks": {
            f"{role}: {target}": "[green]active[/]" if active else "[red]NOT ACTIVE[/]"
            for role, found in report.hooks.items()
            for target, active in found.items()
        },
        "Refused at start-up": report.unsupported,
    }
    for title, rows in tables.items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 2))
        for name, value in rows.items():
            table.add_row(name, value)
        console.print(table)
        console.print()
