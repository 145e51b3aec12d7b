"""SGLang's executor with errors that reach the program."""

import contextvars
import copy
import queue
import threading
from collections.abc import Mapping
from typing import Any

from sglang.lang.interpreter import StreamExecutor
from sglang.lang.ir import SglConcateAndAppend, SglExpr, SglSamplingParams

from superinfer.lang.progress import Progress


class WorkerExecutor(StreamExecutor):
    """Executes what a program appends, in a thread of its own unless told otherwise.

    SGLang's executor logs an error, keeps it to itself and dies; whatever the program appends afterwards waits for
    ever. This one raises the error wherever the program next touches what the error has spoilt.

    Args:
        backend: A backend of ``sglang.lang``.
        arguments: The program's arguments.
        sampling: Sampling parameters of calls that say nothing else.
        chat_template: The backend's own if ``None``.
        stream: Whether text comes in chunks.
        num_api_spec_tokens: SGLang's speculative execution over APIs.
        use_thread: Execute in a thread, so that the program can run ahead. Streams always do.
    """

    # Until __init__ is through there is nothing to end, whatever calls __del__.
    _ended = True

    error_: BaseException | None
    variables: dict[str | None, Any]
    variable_event: dict[str | None, threading.Event]

    def __init__(
        self,
        backend: Any,
        arguments: Mapping[str, Any],
        sampling: SglSamplingParams,
        *,
        chat_template: Any = None,
        stream: bool = False,
        num_api_spec_tokens: int | None = None,
        use_thread: bool = True,
    ) -> None:
        # The thread is ours: SGLang's executor must not start its own.
        super().__init__(backend, arguments, sampling, chat_template, stream, num_api_spec_tokens, use_thread=False)
        self.progress = Progress()
        if stream:
            self.stream_text_event = self.progress
        self.use_thread = use_thread or stream
        self.queue: queue.Queue[SglExpr | str | None] = queue.Queue()
        self._spoilt: set[str | None] = set()
        self._error_seen = False
        self._ended = False
        if self.use_thread:
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._work,), name="superinfer-executor", daemon=True).start()

    def submit(self, expr: SglExpr | str) -> None:
        """Append ``expr``.

        Raises:
            Exception: An earlier call failed.
            RuntimeError: The program has ended.
        """
        self.check_open()
        self._init_var_event(expr)
        if self.use_thread:
            self.queue.put(expr)
            return
        self._step(expr)
        self.raise_error()

    def get_var(self, name: str) -> Any:
        """The value of a variable, once it is there."""
        if event := self.variable_event.get(name):
            event.wait()
        self.raise_error(name)
        return self.variables[name]

    def get_meta_info(self, name: str, timeout: float | None = None) -> Any:
        """The server's ``meta_info`` for a variable, once it is there; waits ``timeout`` seconds at most."""
        meta_info = super().get_meta_info(name, timeout)
        self.raise_error(name)
        return meta_info

    def sync(self) -> None:
        """Wait until everything appended is done."""
        self.drain()
        self.raise_error()

    def error(self) -> BaseException | None:
        """The error that stopped this executor. Who asks has seen it: it is not raised again at the end."""
        self.drain()
        self._error_seen = True
        return self.error_

    def check_open(self) -> None:
        """Raise unless something can be appended."""
        self.raise_error()
        if self._ended:
            raise RuntimeError("the program has ended: nothing can be appended to its state")

    def raise_error(self, name: str | None = None) -> None:
        """Raise what stopped this executor; with ``name``, only if that variable was not complete by then."""
        if self.error_ is None or (name in self.variables and name not in self._spoilt):
            return
        self._error_seen = True
        raise self.error_

    def is_complete(self, name: str | None) -> bool:
        """Whether a variable (``None``: the text) will not change any more."""
        if self.is_finished or self.error_ is not None:
            return True
        event = self.variable_event.get(name)
        return name is not None and event is not None and event.is_set()

    def end(self) -> None:
        """Take nothing more; what was appended is still executed. May be called again."""
        if self._ended:
            return
        self._ended = True
        if self.use_thread:
            self.queue.put(None)
        else:
            self.is_finished = True
        self.backend.end_program(self)

    def drain(self) -> None:
        """Wait until everything appended is done or dropped, without raising."""
        if self.use_thread:
            self.queue.join()

    def pending_error(self) -> BaseException | None:
        """The error that stopped this executor, unless the program has seen it."""
        return None if self._error_seen else self.error_

    def fail(self, error: BaseException) -> None:
        """Stop executing and wake everyone who waits."""
        self.error_ = error
        self._release()

    def _execute_concatenate_and_append_kv_cache(self, expr: SglConcateAndAppend) -> None:
        # The servers' endpoint for joining caches is gone. The text is what counts, and its beginning is cached.
        self._execute_concatenate_and_append_text(expr)

    def _resolve_sampling_params(self, sampling_params: SglSamplingParams) -> SglSamplingParams:
        # Stop strings are extended in place further down: the program's own list must not grow.
        resolved = super()._resolve_sampling_params(copy.deepcopy(sampling_params))
        resolved.stop = [resolved.stop] if isinstance(resolved.stop, str) else list(resolved.stop)
        return resolved

    def _work(self) -> None:
        while (expr := self.queue.get()) is not None:
            self._step(expr)
            self.queue.task_done()
            self.progress.set()
        self.is_finished = True
        self.queue.task_done()
        self.progress.set()

    def _step(self, expr: SglExpr | str) -> None:
        """Execute ``expr``, or drop it after an error."""
        if self.error_ is not None:
            self._release()
            return
        try:
            self._execute(expr)
        except BaseException as error:
            self.fail(error)

    def _release(self) -> None:
        """Wake who waits for variables that will never be complete."""
        for name, event in tuple(self.variable_event.items()):
            if not event.is_set():
                self._spoilt.add(name)
                event.set()
        self.progress.set()
