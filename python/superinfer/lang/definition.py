"""``@superinfer.function``: a Python function becomes a program that can be run with SLOs.

Light: SGLang, and with it torch, is loaded when a program first runs. Importing it earlier would also be too early for
``superinfer.Engine``, which has to choose the platform before SGLang is imported.
"""

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, overload

from superinfer.lang import threads
from superinfer.lang.defaults import backend_or_default, default_backend, endpoint_of
from superinfer.lang.job import SAMPLING, Job
from superinfer.lang.program import Clock, Program
from superinfer.lang.promise import OnLate, SLOLike, check_on_late, nearest, parse
from superinfer.slo import SLO

active_tracer: Final[ContextVar[Any]] = ContextVar("active_tracer", default=None)
"""The trace under way in this context: a function that is called there is traced as a part of it, and does not run."""


@dataclass(frozen=True, eq=False)
class Function:
    """A program. Made by ``superinfer.function``.

    An error in the program, or in any of its calls, is raised by ``run``, ``arun`` and ``run_batch`` once the program
    has ended. The program itself meets the error where it uses what the error has spoilt, and may catch it there: an
    error that it has caught is not raised again.

    Attributes:
        func: The Python function; its first parameter is the program's state.
        num_api_spec_tokens: Tokens for SGLang's speculative execution over APIs.
        bind_arguments: Arguments given by ``bind``.
        slo: SLO of every call, unless something nearer to the call says otherwise; its deadline is for the whole run.
        on_late: What calls do after the deadline; ``None`` is ``continue``.
        clock: Monotonic ns. Tests bring their own.
    """

    func: Callable[..., Any]
    num_api_spec_tokens: int | None = None
    bind_arguments: Mapping[str, Any] = field(default_factory=dict)
    slo: SLO = field(default_factory=SLO)
    on_late: OnLate | None = None
    clock: Clock = time.monotonic_ns

    def __post_init__(self) -> None:
        check_on_late(self.on_late)
        if not inspect.getfullargspec(self.func).args:
            raise TypeError(f"{self.func.__name__}() must take the program's state as its first parameter")
        object.__setattr__(self, "__doc__", self.func.__doc__)
        object.__setattr__(self, "__wrapped__", self.func)

    @functools.cached_property
    def arg_names(self) -> list[str]:
        """Parameters, without the state."""
        return inspect.getfullargspec(self.func).args[1:]

    def bind(self, *, slo: SLOLike | None = None, on_late: OnLate | None = None, **kwargs: Any) -> "Function":
        """This program with some arguments given; a run that gives them again has the last word.

        Args:
            slo: Over the SLO so far, field by field.
            on_late: Instead of the one so far.
            kwargs: Arguments.

        Raises:
            TypeError: An argument that the function does not take.
        """
        inspect.signature(self.func).bind_partial(None, **kwargs)
        return replace(
            self,
            bind_arguments={**self.bind_arguments, **kwargs},
            slo=nearest(parse(slo), self.slo),
            on_late=on_late or self.on_late,
        )

    def run(
        self,
        *args: Any,
        slo: SLOLike | None = None,
        on_late: OnLate | None = None,
        backend: Any = None,
        stream: bool = False,
        use_thread: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Run the program and wait for its end.

        Args:
            args: The function's arguments, after the state.
            slo: For this run: over the function's own SLO, under that of forks and calls.
            on_late: What calls do after the deadline.
            backend: Where calls go; the default backend if not given.
            stream: Return at once, and read the text in chunks from the state. Errors are raised there.
            use_thread: Execute calls beside the program's code, which runs ahead until it uses a variable.
            kwargs: The function's keyword arguments, and defaults for sampling (``max_new_tokens``,
                ``temperature``, ...).

        Returns:
            The state: variables, text, messages, ``ret_value`` and ``slo_report()``.

        Raises:
            Exception: What the program or one of its calls raised.
            DeadlineExceeded: The deadline passed before a call, and ``on_late`` is ``raise``.
        """
        job = self._job(args, *_split(kwargs), backend, use_thread)
        program = self._program(slo, on_late)
        return job.stream(program) if stream else job.run(program)

    async def arun(
        self,
        *args: Any,
        slo: SLOLike | None = None,
        on_late: OnLate | None = None,
        backend: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Run the program without blocking the event loop; arguments and result are those of ``run``.

        A program is ordinary blocking code, so each run has one thread of its own, not one of a pool: any number of
        runs wait for their answers side by side. Requests themselves are awaited in one event loop per backend, where
        cancelling this coroutine cancels them: the thread then ends at once, and the server drops the request.
        """
        job = self._job(args, *_split(kwargs), backend, use_thread=False)
        program = self._program(slo, on_late)
        return await threads.in_own_thread(lambda: job.run(program), program.cancel)

    def run_batch(
        self,
        batch_kwargs: Sequence[Mapping[str, Any] | Sequence[Any]],
        *,
        slo: SLOLike | None = None,
        on_late: OnLate | None = None,
        backend: Any = None,
        num_threads: int | str = "auto",
        progress_bar: bool = False,
        generator_style: bool = False,
        **sampling: Any,
    ) -> Any:
        """Run the program once for each item.

        Args:
            batch_kwargs: Arguments of each run: a dict, or a list or tuple of positional ones.
            slo: For every run. Its deadline begins with each run, not with the batch.
            on_late: As in ``run``.
            backend: As in ``run``.
            num_threads: Runs at a time. ``"auto"`` is the length of the batch, at most 128 on any machine: they
                wait for a server, not for local cores.
            progress_bar: Show one.
            generator_style: Return an iterator over the states, which works only a little ahead of its consumer,
                instead of a list.
            sampling: Defaults for sampling.

        Raises:
            Exception: The first error in the order of the batch; the runs after it are cancelled.
            TypeError: An item does not fit the function's parameters, or an unknown option.
        """
        if unknown := sampling.keys() - SAMPLING:
            raise TypeError(f"run_batch() takes no argument {min(unknown)!r}")
        jobs = [self._batch_job(item, sampling, backend) for item in batch_kwargs]
        self._program(slo, on_late)  # Complain here and not in the first thread.
        workers = threads.count(num_threads, len(jobs))
        if len(jobs) > 1:
            from superinfer.lang.tracing import precache

            precache(self, endpoint_of(jobs[0].backend))
        states = self._run_jobs(jobs, slo, on_late, workers)
        if progress_bar:
            from rich.progress import track

            states = iter(track(states, description=self.func.__name__, total=len(jobs)))
        return states if generator_style else list(states)

    def trace(self, *, backend: Any = None, **kwargs: Any) -> Any:
        """The graph of the program, taken without a model: SGLang's ``TracerProgramState``."""
        from superinfer.lang.tracing import trace

        return trace(self, kwargs, endpoint_of(backend or default_backend()))

    def cache(self, backend: Any = None) -> None:
        """Have the server compute and keep the text that all runs begin with."""
        from superinfer.lang.tracing import cache_prefix

        cache_prefix(self, endpoint_of(backend_or_default(backend)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run, or be traced as a part of the program that is being traced."""
        tracer = active_tracer.get()
        if tracer is None:
            return self.run(*args, **kwargs)
        return self.trace(backend=tracer.backend, **dict(zip(self.arg_names, args, strict=False)), **kwargs)

    def _program(self, slo: SLOLike | None, on_late: OnLate | None) -> Program:
        late = check_on_late(on_late) or self.on_late or "continue"
        return Program(nearest(parse(slo), self.slo), late, self.clock)

    def _job(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        sampling: Mapping[str, Any],
        backend: Any,
        use_thread: bool,
    ) -> Job:
        positional = self.arg_names[: len(args)]
        bound = {name: value for name, value in self.bind_arguments.items() if name not in positional}
        kwargs = {**bound, **kwargs}
        inspect.signature(self.func).bind(None, *args, **kwargs)
        return Job(self, args, kwargs, sampling, backend_or_default(backend), use_thread)

    def _batch_job(self, item: object, sampling: Mapping[str, Any], backend: Any) -> Job:
        if isinstance(item, Mapping):
            return self._job((), item, sampling, backend, use_thread=False)
        if isinstance(item, list | tuple):
            return self._job(tuple(item), {}, sampling, backend, use_thread=False)
        raise TypeError(f"an item of a batch must be a dict, list or tuple of arguments, not {item!r}")

    def _run_jobs(
        self, jobs: Sequence[Job], slo: SLOLike | None, on_late: OnLate | None, num_threads: int
    ) -> Iterator[Any]:
        running: set[Program] = set()

        def run(job: Job) -> Any:
            program = self._program(slo, on_late)
            running.add(program)
            try:
                return job.run(program)
            finally:
                running.discard(program)

        def give_up() -> None:
            for program in tuple(running):
                program.cancel()

        yield from threads.in_order(run, jobs, num_threads, give_up)


@overload
def function(func: Callable[..., Any]) -> Function: ...


@overload
def function(
    func: None = None,
    num_api_spec_tokens: int | None = None,
    *,
    slo: SLOLike | None = None,
    on_late: OnLate | None = None,
) -> Callable[[Callable[..., Any]], Function]: ...


def function(
    func: Callable[..., Any] | None = None,
    num_api_spec_tokens: int | None = None,
    *,
    slo: SLOLike | None = None,
    on_late: OnLate | None = None,
) -> Function | Callable[[Callable[..., Any]], Function]:
    """Make a program of a Python function: ``@function`` or ``@function(slo=...)``.

    Args:
        func: The function; its first parameter is the program's state.
        num_api_spec_tokens: Tokens for SGLang's speculative execution over APIs.
        slo: SLO of every call; its deadline is for the program as a whole, from the start of a run.
        on_late: What a call does when the deadline has passed: ``continue`` without it, ``relax`` to class ``batch``
            without any target, or ``raise`` DeadlineExceeded.

    Raises:
        SLOError: A bad SLO; the error names the field.
    """

    def decorate(func: Callable[..., Any]) -> Function:
        return Function(func, num_api_spec_tokens, slo=parse(slo), on_late=on_late)

    return decorate if func is None else decorate(func)


def _split(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the function, and sampling parameters."""
    arguments = {name: value for name, value in kwargs.items() if name not in SAMPLING}
    return arguments, {name: value for name, value in kwargs.items() if name in SAMPLING}
