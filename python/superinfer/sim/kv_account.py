"""How many bytes the KV of simulated requests takes, if classes keep theirs in formats of their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from superinfer.kv import PAGE_TOKENS, Format, KvShape, page_format, parse_format
from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Plan
from superinfer.sim.figures import class_of
from superinfer.sim.models import Model


@dataclass(slots=True)
class Bytes:
    """Bytes of KV at one time, or the most of them.

    Attributes:
        native: All pages native.
        kept: In the formats.
    """

    native: int = 0
    kept: int = 0

    def add(self, other: "Bytes") -> None:
        """What others have comes on top."""
        self.native += other.native
        self.kept += other.kept

    def rise_to(self, other: "Bytes") -> None:
        """The most of either, each for itself."""
        self.native, self.kept = max(self.native, other.native), max(self.kept, other.kept)


@dataclass(slots=True)
class KvAccount:
    """Peaks of KV by class.

    Pages are as ``superinfer.kv`` lays them out: the one that fills is native, those before it are sealed in the
    coarsest format that the class allows. Decisions do not change: they plan with the tokens of a native pool.

    Attributes:
        shape: What the model keeps of a token.
        formats: Class -> the coarsest format of its pages; native where not named.
        peak: Of all requests together.
        by_class: Of each class, at a time of its own.
    """

    shape: KvShape
    formats: Mapping[str, Format]
    peak: Bytes = field(default_factory=Bytes)
    by_class: dict[str, Bytes] = field(default_factory=dict)

    def note(self, jobs: Iterable[Job], plan: Plan) -> None:
        """A step is run.

        Args:
            jobs: All unfinished requests.
            plan: The step; what it computes is in the pool at its end.

        Raises:
            ValueError: Requests share blocks of their prompts, which belong to no class.
        """
        more = {job.state.seq: 1 for job in plan.decode}
        more |= {chunk.job.state.seq: chunk.tokens for chunk in plan.prefill}
        now: dict[str, Bytes] = {}
        for job in jobs:
            tokens = job.computed_tokens + more.get(job.state.seq, 0)
            if job.prefix:
                raise ValueError("kv_formats: blocks of prompts that requests share belong to no class")
            if job.phase is not Phase.WAITING and tokens:
                name = class_of(job.state.slo)
                now.setdefault(name, Bytes()).add(self._bytes(name, tokens))
        total = Bytes()
        for name, used in now.items():
            self.by_class.setdefault(name, Bytes()).rise_to(used)
            total.add(used)
        self.peak.rise_to(total)

    def figures(self) -> dict[str, Any]:
        """The peaks, ready for JSON."""
        return {
            "peak_native_bytes": self.peak.native,
            "peak_bytes": self.peak.kept,
            "classes": {
                name: {
                    "format": self._format(name).label,
                    "peak_native_bytes": peak.native,
                    "peak_bytes": peak.kept,
                }
                for name, peak in sorted(self.by_class.items())
            },
        }

    def _bytes(self, name: str, tokens: int) -> Bytes:
        sealed, floor, page_bytes = (tokens - 1) // PAGE_TOKENS, self._format(name), self.shape.page_bytes
        first = page_bytes(page_format(floor, 0)) if sealed else 0
        others = max(sealed - 1, 0) * page_bytes(page_format(floor, 1))
        native = page_bytes(Format.NATIVE)
        return Bytes((sealed + 1) * native, native + first + others)

    def _format(self, name: str) -> Format:
        return self.formats.get(name, Format.NATIVE)


def shape_of(model: Model) -> KvShape:
    """What a model keeps of a token."""
    return KvShape(model.layers, model.kv_heads, model.head_dim, model.head_dim, int(model.kv_item_bytes))


def parse_formats(text: str) -> dict[str, Format]:
    """Formats of ``batch:int4,standard:int8``.

    Raises:
        ValueError: Not of that form, there is no such format, or a class is named twice.
    """
    formats: dict[str, Format] = {}
    for part in text.split(","):
        name, colon, fmt = part.strip().partition(":")
        if not colon or not name:
            raise ValueError(f"kv_formats: {part.strip()!r} must be CLASS:FORMAT")
        if name in formats:
            raise ValueError(f"kv_formats: {name} is named twice")
        formats[name] = parse_format("kv_formats", fmt)
    return formats
