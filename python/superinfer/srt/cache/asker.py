"""What a request tells the cache about who asks."""

from math import inf
from typing import NamedTuple

from superinfer.cache.use import Kind
from superinfer.slo import SLO

PROMPT_ENDS_KEY = "prompt_ends_with"
"""In ``custom_params`` beside ``slo``: the role of a chat's last message."""

_KINDS = {
    "system": Kind.SYSTEM,
    "developer": Kind.SYSTEM,
    "user": Kind.USER,
    "tool": Kind.TOOL,
    "function": Kind.TOOL,
    "assistant": Kind.GENERATED,
}


class Asker(NamedTuple):
    """Whose request it is, as far as that tells when its prefix is used again, and what that would save.

    Attributes:
        slo_class: Rank of its SLO class.
        tenant: Hash bucket of its tenant.
        slack_ms: What its promise leaves for the prompt.
        kind: What the prompt ends with.
    """

    slo_class: int = 0
    tenant: int = 0
    slack_ms: float = inf
    kind: Kind = Kind.UNKNOWN


NOBODY = Asker()
"""Nothing is known."""


def slack_ms(slo: SLO) -> float:
    """Time that a promise leaves for the prompt: until the first token, or the whole answer; infinite without it."""
    target_ms = slo.deadline_ms if slo.ttft_ms is None else slo.ttft_ms
    return inf if target_ms is None else float(target_ms)


def kind_of(role: object) -> Kind:
    """Of what a prompt ends with, by the role of a chat's last message."""
    return _KINDS.get(role, Kind.UNKNOWN) if isinstance(role, str) else Kind.UNKNOWN
