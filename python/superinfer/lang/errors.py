"""What can go wrong with a program, besides what its own code raises."""

import threading
import warnings
import weakref
from typing import Any, Final


class DeadlineExceeded(TimeoutError):
    """A call was due after its program's deadline, and the program says ``on_late="raise"``.

    Attributes:
        deadline_ms: The deadline that passed, from the start of the program, branch or call that set it.
        late_ms: How long ago it passed, in whole ms.
    """

    def __init__(self, deadline_ms: int, late_ms: int) -> None:
        super().__init__(f"the deadline of {deadline_ms} ms passed {late_ms} ms ago, before this call was sent")
        self.deadline_ms = deadline_ms
        self.late_ms = late_ms

    def __reduce__(self) -> tuple[type["DeadlineExceeded"], tuple[int, int]]:
        """Pickle by parts: the default would pass the message as ``deadline_ms``."""
        return (type(self), (self.deadline_ms, self.late_ms))


class ProgramCancelled(Exception):
    """The program was cancelled, and this call of it was not sent or not finished."""


class BackendError(RuntimeError):
    """The server refused a request, or gave an answer that is none.

    Attributes:
        status: HTTP status, or ``None`` if the error came inside a stream.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SLOIgnoredWarning(UserWarning):
    """A program has an SLO, and its backend has no way to pass it on."""


_warned: Final["weakref.WeakSet[Any]"] = weakref.WeakSet()
_lock: Final = threading.Lock()


def warn_ignored(backend: Any) -> None:
    """Warn that ``backend`` does not pass SLOs on: once for each backend, whatever the warning filters say."""
    with _lock:
        if backend in _warned:
            return
        _warned.add(backend)
    name = type(backend).__name__
    warnings.warn(f"{name} cannot pass an SLO on: calls through it are sent without", SLOIgnoredWarning, stacklevel=2)
