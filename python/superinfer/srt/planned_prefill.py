"""SGLang's queue policy and admission budget, obeying a plan."""

from collections.abc import Callable, Iterable
from typing import Any

from sglang.srt.managers import schedule_policy as stock
from sglang.srt.managers.schedule_policy import AddReqResult, PrefillAdder, SchedulePolicy
from sglang.srt.mem_cache.common import match_kv_cache

from superinfer.srt.kv.allocator import ask_for
from superinfer.srt.kv.loads import loads_of
from superinfer.srt.lookups import Lookups
from superinfer.srt.rotation import GROWTH_TOKENS, Admission


def reserve_growth_only() -> None:
    """SGLang keeps memory free for the longest answers; with rotation, whoever has no room is parked instead."""
    stock.CLIP_MAX_NEW_TOKENS = GROWTH_TOKENS


class PlannedSchedulePolicy(SchedulePolicy):
    """Puts those that may come in first, in the order of the plan."""

    def __init__(self, *args: Any, admission: Callable[[], Admission]) -> None:
        super().__init__(*args)
        self._admission = admission
        self._lookups = Lookups()

    def match(self, waiting_queue: list[Any]) -> None:
        """Note in each request how much of it is cached: without that, the policy would plan to compute all of it.

        SGLang does it before it sorts, but only where that is fast, or for its orders that need it.
        """
        super().calc_priority(waiting_queue)
        if not self.tree_cache.supports_fast_match_prefix():
            self.look_up(self._lookups.due(waiting_queue))

    def look_up(self, reqs: Iterable[Any]) -> None:
        """Match the prefixes of ``reqs`` with the tree as it is now."""
        for req in reqs:
            match_kv_cache(req, self.tree_cache)

    def calc_priority(self, waiting_queue: list[Any], running_batch: Any = None, processed_tokens: int = 0) -> None:
        """Sort ``waiting_queue`` in place."""
        place = {req: index for index, req in enumerate(self._admission().order)}
        waiting_queue.sort(key=lambda req: place.get(req, len(place)))

    def shortest_prefill_chunk_limit(
        self, chunked_req: Any, waiting_queue: list[Any], budget: int, page_size: int
    ) -> int | None:
        """Tokens of the prompt that is under way."""
        return self._admission().resumed_tokens or None


class PlannedAdder(PrefillAdder):
    """Admits what the plan admits, as long as it fits.

    Args:
        admission: What the plan of this pass admits.
    """

    def __init__(self, *args: Any, admission: Admission, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rem_chunk_tokens = admission.tokens
        self._planned = set(admission.order)
        self._stalled = False

    def add_chunked_req(self, req: Any) -> Any:
        """Go on with the prompt under way; if there is no memory for it, nobody else comes in before it."""
        left = super().add_chunked_req(req)
        self._stalled = left is req and req not in self.can_run_list
        return left

    def add_one_req(self, req: Any, has_chunked_req: bool, truncation_align_size: int | None) -> AddReqResult:
        """Admit ``req`` if it is planned; SGLang's loop ends at the first answer that is not ``CONTINUE``."""
        if req not in self._planned or self._stalled:
            return AddReqResult.OTHER
        if (has_chunked_req or self.new_chunked_req) and self._in_parts(req):
            return AddReqResult.CONTINUE  # SGLang computes one prompt in parts at a time
        loads = loads_of(self.tree_cache)
        ask_for(req, self.token_to_kv_pool_allocator, loads.sealed_tokens(req.best_match_node) if loads else 0)
        result = super().add_one_req(req, has_chunked_req, truncation_align_size)
        admitted = bool(self.can_run_list) and self.can_run_list[-1] is req
        return AddReqResult.CONTINUE if result is AddReqResult.NO_TOKEN and not admitted else result

    def _in_parts(self, req: Any) -> bool:
        """Whether ``req`` is more than may be computed of prompts in this pass."""
        absent = len(req.full_untruncated_fill_ids) - req.prefix_len
        if absent <= self.rem_chunk_tokens:
            return False
        # A load that finds no room would leave its tokens to be computed: there must be room now.
        return absent - req.host_hit_length > self.rem_chunk_tokens or not self._has_room_for_load(req)

    def _has_room_for_load(self, req: Any) -> bool:
        loads = loads_of(self.tree_cache)
        if loads is not None:
            return loads.fits(req.best_match_node, at_once=True)
        return bool(req.host_hit_length <= self.token_to_kv_pool_allocator.available_size())

    def _get_running_request_total_token_offset(self, req: Any) -> float:
        return GROWTH_TOKENS
