"""SuperInfer: serve LLMs to the service level that each request asks for.

Importing the package is cheap: the runtime (torch, SGLang) loads when something of it is first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "superinfer.slo": ("SLO", "SLOError"),
    "superinfer.lang": (
        "BackendError",
        "DeadlineExceeded",
        "EngineBackend",
        "HTTPBackend",
        "OpenAIBackend",
        "ProgramCancelled",
        "SLOIgnoredWarning",
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
    ),
    "superinfer.srt.engine": ("Engine",),
}
_HOME_OF = {name: home for home, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for (PEP 562)."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
