"""How much is measured: the full plan, and the one that ends in ten minutes on two cores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.engine.workloads import Decode, Mixed, Prefill, Workload

KINDS = ("decode", "prefill", "cached_prefill", "mixed")
"""What ``--only`` selects from."""

CONCURRENCIES = (1, 8, 32)
PROMPT_TOKENS = (128, 512, 2_048)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, how often, and how vLLM is started.

    Attributes:
        warm_up: Runs once on every engine, and does not count.
        workloads: Run on every engine in each repeat.
        engines: Which engines, unless the command line says.
        repeats: How often.
        starts: Engines in the order in which they are started and ended, once more than for the load.
        narrow_starts: Engines that are started with a next to weightless model too, to tell what weights take.
    """

    warm_up: tuple[Workload, ...]
    workloads: tuple[Workload, ...]
    engines: tuple[str, ...]
    repeats: int
    starts: tuple[str, ...]
    narrow_starts: tuple[str, ...]

    def only(self, kinds: Sequence[str]) -> "Plan":
        """The same plan with nothing but workloads of these kinds."""
        return replace(self, workloads=tuple(w for w in self.workloads if _kind(w) in kinds))


WARM_UP: tuple[Workload, ...] = (
    *(Decode(concurrency, new_tokens=4) for concurrency in CONCURRENCIES),
    *(Prefill(tokens, count=1) for tokens in PROMPT_TOKENS),
)
"""Every shape once: libraries allocate, choose and compile at the first sight of one."""


def full() -> Plan:
    """Every workload three times, and three starts of each engine."""
    return Plan(
        WARM_UP,
        _workloads(new_tokens=64, prompts=4, mixed=Mixed()),
        engines=("superinfer", "stock", "vllm", "vllm-iomp", "vllm-auto"),
        repeats=3,
        starts=("superinfer", "stock", "vllm") * 2,
        narrow_starts=("superinfer", "stock", "vllm"),
    )


def quick() -> Plan:
    """Shorter workloads, once each after their warm-up; one start of vLLM, which compiles for a minute."""
    mixed = Mixed(batch=8, chat=24)
    return Plan(
        WARM_UP,
        _workloads(new_tokens=24, prompts=2, mixed=mixed),
        engines=("superinfer", "stock", "vllm"),
        repeats=1,
        starts=("superinfer", "stock"),
        narrow_starts=("superinfer", "stock"),
    )


def _workloads(*, new_tokens: int, prompts: int, mixed: Mixed) -> tuple[Workload, ...]:
    return (
        *(Decode(concurrency, new_tokens) for concurrency in CONCURRENCIES),
        *(Prefill(tokens, prompts) for tokens in PROMPT_TOKENS),
        *(Prefill(tokens, prompts, cached=True) for tokens in PROMPT_TOKENS),
        mixed,
    )


def _kind(workload: Workload) -> str:
    return workload.name.rstrip("_0123456789")
