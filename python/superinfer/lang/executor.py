"""The executor of one line of a program: every call it makes has an SLO."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from sglang.lang.ir import SglCommitLazy, SglSamplingParams

from superinfer.lang.errors import warn_ignored
from superinfer.lang.program import Call, Program
from superinfer.lang.promise import Terms
from superinfer.lang.worker import WorkerExecutor
from superinfer.slo import SLO


class SLOExecutor(WorkerExecutor):
    """The program itself, or one branch of a fork.

    Args:
        program: The run it belongs to.
        terms: What holds for its calls.
        branch: Its place among the forks, as in ``CallReport.branch``.
        backend: A backend of ``sglang.lang``.
        arguments: The program's arguments.
        sampling: Sampling parameters of calls that say nothing else.
        options: Further arguments of ``WorkerExecutor``.
    """

    def __init__(
        self,
        program: Program,
        terms: Terms,
        branch: str,
        backend: Any,
        arguments: Mapping[str, Any],
        sampling: SglSamplingParams,
        **options: Any,
    ) -> None:
        super().__init__(backend, arguments, sampling, **options)
        self.program = program
        self.terms = terms
        self.branch = branch
        self._call: Call | None = None
        self._last_id: str | None = None
        self._forks = 0
        program.adopt(self)

    def fork(
        self, size: int = 1, position_ids_offset: list[int] | None = None, slos: Sequence[SLO] = ()
    ) -> "list[SLOExecutor]":
        """``size`` executors that go on from here, the i-th with ``slos[i]`` if given.

        Raises:
            Exception: An earlier call failed.
        """
        self.check_open()
        self.sync()
        if size > 1 and self.text_:
            # Prefill the common part once, or all branches would.
            self.submit(SglCommitLazy())
            self.sync()
        return [self._branch(slo) for slo in slos or [SLO()] * size]

    def keep(self, pin_ms: int) -> None:
        """Have what was appended so far computed and kept; see ``State.keep``."""
        slo = SLO(pin_ms=pin_ms)
        self.check_open()
        self.sync()
        if not getattr(self.backend, "carries_slo", False):
            warn_ignored(self.backend)
        elif self.text_:
            self.backend.keep(self, slo)

    def hint(self, slo: SLO) -> None:
        """Say what comes after the last answer; see ``State.hint``."""
        self.check_open()
        self.sync()
        if not getattr(self.backend, "carries_slo", False):
            warn_ignored(self.backend)
        elif self._last_id is None:
            raise ValueError("hint() says what comes after an answer, and nothing has been answered here yet")
        else:
            self.backend.hint(self, self._last_id, slo)

    def promise(self) -> SLO:
        """The SLO of a request that is sent now; a backend asks once for each.

        Raises:
            DeadlineExceeded: The program's deadline has passed, and it wants to know.
        """
        terms = self._call.terms if self._call else self.terms
        slo = terms.at(self.program.clock(), self.program.on_late)
        if self._call and self._call.slo is None:
            self._call.slo = slo
        return slo

    def wait(self, answer: "Future[Any]") -> Any:
        """The result of ``answer``, unless the program is cancelled first."""
        return self.program.wait(answer)

    def observe(self, meta_infos: Sequence[Mapping[str, Any]]) -> None:
        """Note the server's ``meta_info`` of answers to the current call."""
        if self._call:
            self._call.answers.extend(meta_infos)
        for meta_info in meta_infos:
            self._last_id = meta_info.get("id", self._last_id)

    def _execute_gen(self, expr: Any) -> None:
        with self._calling(expr):
            super()._execute_gen(expr)

    def _execute_select(self, expr: Any) -> None:
        with self._calling(expr):
            super()._execute_select(expr)

    @contextmanager
    def _calling(self, expr: Any) -> Iterator[None]:
        now = self.program.clock()
        terms = self.terms.within(getattr(expr, "slo", SLO()), now)
        call = self._call = self.program.open(expr.name, self.branch, terms, now)
        try:
            slo = terms.at(now, self.program.on_late)
            if slo != SLO() and not getattr(self.backend, "carries_slo", False):
                warn_ignored(self.backend)
            yield
            # Backends that are not ours report nothing; some return the server's ``meta_info``.
            if not call.answers and isinstance(meta_info := self.meta_info.get(expr.name), Mapping):
                call.answers.append(meta_info)
        except BaseException as error:
            call.error = error
            raise
        finally:
            call.end_ns = self.program.clock()
            self._call = None

    def _branch(self, slo: SLO) -> "SLOExecutor":
        branch = SLOExecutor(
            self.program,
            self.terms.within(slo, self.program.clock()),
            f"{self.branch}.{self._forks}" if self.branch else str(self._forks),
            self.backend,
            self.arguments,
            self.default_sampling_para,
            chat_template=self.chat_template,
            stream=self.stream,
        )
        self._forks += 1
        branch._last_id = self._last_id
        branch.variables = dict(self.variables)
        branch.meta_info = dict(self.meta_info)
        branch.text_ = self.text_
        branch.messages_ = list(self.messages_)
        branch.cur_role = self.cur_role
        branch.cur_role_begin_pos = self.cur_role_begin_pos
        branch.fork_start_text_pos = len(self.text_)
        branch.images_ = list(self.images_)
        branch.cur_images = list(self.cur_images)
        return branch
