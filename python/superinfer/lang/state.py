"""The ``s`` of a program: SGLang's, with SLOs on forks, a report, and a stream that tells of errors."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sglang.lang.interpreter import ProgramState, ProgramStateGroup

from superinfer.lang.executor import SLOExecutor
from superinfer.lang.progress import Reader
from superinfer.lang.promise import SLOLike, parse
from superinfer.lang.report import SLOReport
from superinfer.slo import SLO

ForkSLO = SLOLike | Sequence[SLOLike | None]
"""One SLO for all branches of a fork, or one for each."""


class State(ProgramState):
    """One line of a program: ``s += ...`` appends to it, ``s["name"]`` waits for a variable and gives its value.

    Attributes:
        ret_value: What the program returned.
    """

    stream_executor: SLOExecutor

    def __init__(self, stream_executor: SLOExecutor) -> None:
        super().__init__(stream_executor)
        self.ret_value: Any = None

    def fork(
        self, size: int = 1, position_ids_offset: list[int] | None = None, *, slo: ForkSLO | None = None
    ) -> ProgramStateGroup:
        """Branches that go on from here side by side.

        Args:
            size: Their number.
            position_ids_offset: Accepted, and without effect, as in SGLang.
            slo: For the calls of the branches: over the program's, under a call's own. Its deadline begins with
                the fork and is for the branch as a whole, within the program's. A list has one for each branch.

        Raises:
            SLOError: A bad SLO; the error names the field.
            ValueError: ``slo`` is a list of another length than ``size``.
        """
        executors = self.stream_executor.fork(size, position_ids_offset, _for_each(slo, size))
        return ProgramStateGroup([State(executor) for executor in executors], self)

    @contextmanager
    def copy(self, position_ids_offset: list[int] | None = None, *, slo: SLOLike | None = None) -> "Iterator[State]":
        """One branch for the length of a ``with`` block, its new variables gathered at the end."""
        group = self.fork(1, position_ids_offset, slo=slo)
        try:
            yield group[0]
        finally:
            group.join()

    def text_iter(self, var_name: str | None = None) -> Iterator[str]:
        """The text, or one variable, in chunks as they come; in one piece unless the run is a stream.

        Raises:
            Exception: What stopped the program, once the chunks before it are through.
        """
        if self.stream_executor.stream:
            yield from Reader(self.stream_executor, var_name)
        else:
            yield self.text() if var_name is None else self.get_var(var_name)

    async def text_async_iter(self, var_name: str | None = None, return_meta_data: bool = False) -> AsyncIterator[Any]:
        """The same for ``async for``.

        Args:
            var_name: A variable; ``None`` is the whole text.
            return_meta_data: Yield pairs of a chunk and the ``meta_info`` that came with it or after it.
        """
        if not self.stream_executor.stream:
            yield self.text() if var_name is None else self.get_var(var_name)
            return
        async for chunk in Reader(self.stream_executor, var_name):
            yield (chunk, self.stream_executor.meta_info.get(var_name)) if return_meta_data else chunk

    def slo_report(self) -> SLOReport:
        """What every call of the program was promised and got, those of forks included.

        Waits for what has been appended so far, anywhere in the program, unless the run is a stream. The report of
        a branch is that of its program.
        """
        if not self.stream_executor.stream:
            self.stream_executor.program.settle()
        return self.stream_executor.program.report()

    def keep(self, pin_ms: int) -> None:
        """Have the server keep the text so far in its KV memory for ``pin_ms``, whatever else it serves.

        Waits for what has been appended so far. The server may refuse, if too much is kept already; then the text is as
        likely to stay as any.

        Raises:
            SLOError: ``pin_ms`` is not a number of milliseconds that a server takes.
            Exception: An earlier call failed.
        """
        self.stream_executor.keep(pin_ms)

    def hint(self, *, back_ms: int | None = None, pin_ms: int | None = None, ends: bool = False) -> None:
        """Tell the server what comes after the last answer, now that you have read it.

        Waits for what has been appended so far. It counts instead of what the call's SLO said of that.

        Args:
            back_ms: A request that goes on from here is expected within that time: a tool runs.
            pin_ms: Keep prompt and answer for that time, whatever else the server serves.
            ends: Nothing will go on from here.

        Raises:
            ValueError: Nothing is said, or there was no answer.
            SLOError: A value is not one that a server takes.
            BackendError: The server knows nothing of the answer any more, or is one of SGLang's.
            Exception: An earlier call failed.
        """
        slo = SLO(back_ms=back_ms, pin_ms=pin_ms, ends=ends or None)
        if slo == SLO():
            raise ValueError("hint() needs back_ms, pin_ms or ends")
        self.stream_executor.hint(slo)

    def cancel(self) -> None:
        """End the program: send nothing more, and give up answers under way. Returns at once."""
        self.stream_executor.program.cancel()

    def __repr__(self) -> str:
        executor = self.stream_executor
        condition = "failed" if executor.error_ else "finished" if executor.is_finished else "running"
        return f"State({condition}, {executor.text_!r})"


def _for_each(slo: ForkSLO | None, size: int) -> list[SLO]:
    if slo is None or isinstance(slo, SLO | Mapping | str):
        return [parse(slo)] * size
    if len(slo) != size:
        raise ValueError(f"fork({size}) needs {size} SLOs, or one for all, not a list of {len(slo)}")
    return [parse(each) for each in slo]
