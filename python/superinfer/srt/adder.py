"""SGLang's admission budget, taught to go past a request that does not fit."""

from collections.abc import Callable
from typing import Any

from sglang.srt.managers.schedule_policy import AddReqResult, PrefillAdder

from superinfer.sched import SkipAhead, SLOState


class SkipAheadAdder(PrefillAdder):
    """Answers "continue" for a request that was refused for memory, as long as ``skip`` allows."""

    def __init__(
        self,
        *args: Any,
        skip: SkipAhead,
        state_of: Callable[[Any], SLOState],
        on_admit: Callable[[SLOState], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._skip = skip
        self._state_of = state_of
        self._on_admit = on_admit

    def add_one_req(self, req: Any, has_chunked_req: bool, truncation_align_size: int | None) -> AddReqResult:
        """Admit ``req`` if it fits; SGLang's loop ends at the first answer that is not ``CONTINUE``."""
        if self._skip.blocked:
            return AddReqResult.OTHER
        result = super().add_one_req(req, has_chunked_req, truncation_align_size)
        state = self._state_of(req)
        if self.can_run_list and self.can_run_list[-1] is req:
            self._skip.admit()
            self._on_admit(state)
        elif result is AddReqResult.NO_TOKEN and self._skip.refuse(state):
            return AddReqResult.CONTINUE
        return result
