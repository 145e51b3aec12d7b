"""Service-level objectives: the vocabulary that every other part of SuperInfer shares.

Pure: imports neither torch nor sglang, so that clients, server, simulator and tests use one definition.
"""

from superinfer.slo.carriers import Carried, read_headers, read_service_tier
from superinfer.slo.classes import PRESETS, SLOClass, SLOClasses
from superinfer.slo.errors import SLOError
from superinfer.slo.model import KV_FORMATS, SLO
from superinfer.slo.outcome import Outcome, Timeline
from superinfer.slo.parse import parse_lenient, parse_slo
from superinfer.slo.policy import ClampRule, Principal, SLOPolicy

__all__ = [
    "KV_FORMATS",
    "PRESETS",
    "SLO",
    "Carried",
    "ClampRule",
    "Outcome",
    "Principal",
    "SLOClass",
    "SLOClasses",
    "SLOError",
    "SLOPolicy",
    "Timeline",
    "parse_lenient",
    "parse_slo",
    "read_headers",
    "read_service_tier",
]
