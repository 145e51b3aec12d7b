"""Where calls go when a run names no backend."""

import sys
import threading
from typing import Any

_default: Any = None
_lock = threading.Lock()


def set_default_backend(backend: Any) -> None:
    """Send the calls of every run that names no backend to ``backend``; ``None`` takes it back."""
    global _default
    _default = backend


def default_backend() -> Any:
    """The default backend: ours, else the one given to ``sglang.set_default_backend``, else ``None``."""
    sglang_config = sys.modules.get("sglang.lang.global_config")
    return _default or (sglang_config and sglang_config.global_config.default_backend)


def backend_or_default(backend: Any) -> Any:
    """``backend``, or the default one.

    Raises:
        RuntimeError: There is neither.
    """
    if backend is None:
        backend = default_backend()
    if backend is None:
        raise RuntimeError("no backend: pass backend=, or call superinfer.set_default_backend first")
    return backend


def endpoint_of(backend: Any) -> Any:
    """What a run talks to: a backend of ``sglang.lang``. Ours, and ``sglang.Runtime``, have one inside."""
    with _lock:  # Two threads must not make two of them.
        return getattr(backend, "endpoint", backend)
