"""The processes of a server: each declares its role, loads the hooks for it, and checks that they took.

SGLang's launcher accepts functions to run in place of its own. These here are module-level (they are pickled)
and import nothing heavy until they run in their process.
"""

import logging
import os
from typing import Any

from superinfer.srt import hooks
from superinfer.srt.hooks import Role, verify
from superinfer.srt.threads import use_compute_threads

logger = logging.getLogger(__name__)

_role = Role.SERVER
_plugins_loaded = False


def current_role() -> Role:
    """What this process does; ``SERVER`` unless one of the functions below runs in it."""
    return _role


def load(role: Role) -> None:
    """Load SGLang's plugins for ``role`` in this process and check our hooks.

    Raises:
        HookError: A hook is not in force.
    """
    global _role, _plugins_loaded
    _role = role
    if _plugins_loaded:  # by the launcher that this process was forked from: SGLang does not ask its plugins again
        hooks.add(role)
    else:
        from sglang.srt.plugins import load_plugins

        load_plugins()
        _plugins_loaded = True
    verify(role)


def run_scheduler(*args: Any, **kwargs: Any) -> None:
    """Scheduler process of one rank; the arguments are those of SGLang's function of that purpose."""
    use_compute_threads()
    _load_or_exit(Role.SCHEDULER)
    from sglang.srt.managers.scheduler import run_scheduler_process

    run_scheduler_process(*args, **kwargs)


def run_detokenizer(*args: Any, **kwargs: Any) -> None:
    """Detokenizer process; the arguments are those of SGLang's function of that purpose."""
    _load_or_exit(Role.DETOKENIZER)
    from sglang.srt.managers.detokenizer_manager import run_detokenizer_process

    run_detokenizer_process(*args, **kwargs)


def init_tokenizer_manager(*args: Any, **kwargs: Any) -> Any:
    """Tokenizer manager in the server process; the arguments are those of SGLang's function of that purpose."""
    verify(Role.SERVER)
    from sglang.srt.entrypoints.engine import init_tokenizer_manager as stock

    return stock(*args, **kwargs)


def _load_or_exit(role: Role) -> None:
    """As ``load``, but a failure ends the process: its parent sees it die before it was ready, and stops."""
    try:
        load(role)
    except Exception as error:
        logger.critical("%s", error)
        # The parent waits for the scheduler, but not for the detokenizer: tell it.
        import signal

        os.kill(os.getppid(), signal.SIGQUIT)
        raise SystemExit(1) from error
