"""SGLang's structured generation language with service-level objectives.

Everything here is light to import: SGLang, and with it torch, is loaded when a program first runs.
"""

from superinfer.lang.api import (
    assistant,
    assistant_begin,
    assistant_end,
    flush_cache,
    gen,
    gen_int,
    gen_string,
    get_server_info,
    image,
    select,
    separate_reasoning,
    system,
    system_begin,
    system_end,
    user,
    user_begin,
    user_end,
    video,
)
from superinfer.lang.backends import EngineBackend, HTTPBackend, OpenAIBackend
from superinfer.lang.defaults import set_default_backend
from superinfer.lang.definition import Function, function
from superinfer.lang.errors import BackendError, DeadlineExceeded, ProgramCancelled, SLOIgnoredWarning
from superinfer.lang.promise import OnLate, SLOLike
from superinfer.lang.report import CallReport, SLOReport

__all__ = [
    "BackendError",
    "CallReport",
    "DeadlineExceeded",
    "EngineBackend",
    "Function",
    "HTTPBackend",
    "OnLate",
    "OpenAIBackend",
    "ProgramCancelled",
    "SLOIgnoredWarning",
    "SLOLike",
    "SLOReport",
    "assistant",
    "assistant_begin",
    "assistant_end",
    "flush_cache",
    "function",
    "gen",
    "gen_int",
    "gen_string",
    "get_server_info",
    "image",
    "select",
    "separate_reasoning",
    "set_default_backend",
    "system",
    "system_begin",
    "system_end",
    "user",
    "user_begin",
    "user_end",
    "video",
]
