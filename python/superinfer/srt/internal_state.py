"""What the scheduler tells about itself."""

from dataclasses import asdict
from typing import Any

from sglang.srt.managers.io_struct import GetInternalStateReq, GetInternalStateReqOutput
from sglang.srt.managers.scheduler_components.internal_state import SchedulerInternalStateController

from superinfer import __version__
from superinfer.slo import parse_lenient
from superinfer.srt.hooks import Role, status

STATE_KEY = "superinfer"
CACHE_KEY = "cache"
LISTENS_KEY, HEARD_KEY = "listens", "heard"
"""In the answer to a hint: whether hints are of use here, and what came of this one."""


class CacheStateReq(GetInternalStateReq, kw_only=True):  # type: ignore[call-arg]
    """Asks for more about the cache: what would go next, and why ``node`` stays or goes, unless that is empty."""

    node: str = ""


class CacheHintReq(GetInternalStateReq, kw_only=True):  # type: ignore[call-arg]
    """Says of a request that has ended what its SLO could have said: ``back_ms``, ``pin_ms``, ``ends``."""

    rid: str
    said: dict[str, Any]


class SLOInternalState(SchedulerInternalStateController):
    """Adds a ``superinfer`` object to the state each rank reports."""

    def get_internal_state(self, recv_req: Any) -> Any:
        """SGLang's state with ours inside; plain JSON types only."""
        if isinstance(recv_req, CacheHintReq):
            return GetInternalStateReqOutput(internal_state=self._hear(recv_req))
        output = super().get_internal_state(recv_req)
        ours = output.internal_state[STATE_KEY] = self._superinfer()
        cache = self.scheduler.tree_cache
        if isinstance(recv_req, CacheStateReq) and ours[CACHE_KEY] is not None:
            from superinfer.srt.cache import report

            ours[CACHE_KEY]["next"] = report.next_victims(cache)
            ours[CACHE_KEY]["node"] = report.node(cache, recv_req.node) if recv_req.node else None
        return output

    def _hear(self, hint: CacheHintReq) -> dict[str, Any]:
        """What came of a hint, and no state: agents give one with every step."""
        ends = self.scheduler.cache_ends
        heard = None if ends is None else ends.hint(hint.rid, parse_lenient({"slo": hint.said}))
        return {LISTENS_KEY: ends is not None, HEARD_KEY: heard}

    def _superinfer(self) -> dict[str, Any]:
        scheduler = self.scheduler
        outcomes: dict[str, dict[str, int]] = {}
        for (cls, verdict), count in sorted(scheduler.ledger.outcomes.items()):
            outcomes.setdefault(cls, {})[verdict] = count
        return {
            "version": __version__,
            "scheduler": type(scheduler).__name__,
            "hooks": status(Role.SCHEDULER),
            "waiting": [self._waiting(req) for req in scheduler.waiting_queue[:100]],
            "waiting_total": len(scheduler.waiting_queue),
            "running_total": self._running(),
            "kv_tokens": scheduler.max_total_num_tokens,
            "outcomes": outcomes,
            "cost": {
                "prefill_token_us": round(scheduler.step_time.prefill_prices_us[1], 3),
                "decode_step_us": scheduler.step_time.decode_us(1),
            },
            "rotation": self._rotation(),
            "host": self._host(),
            CACHE_KEY: self._cache(),
            "kv": scheduler.kv.state() if scheduler.kv else None,
        }

    def _running(self) -> int:
        """Who is served: also whose prompt was computed in the last step, which joins those that run in the next."""
        scheduler = self.scheduler
        reqs = [req for batch in (scheduler.running_batch, scheduler.last_batch) if batch for req in batch.reqs]
        return len({req.rid for req in reqs if not req.finished()})

    def _cache(self) -> dict[str, Any] | None:
        """A few numbers; ``None`` with SGLang's cache."""
        from superinfer.srt.cache import report  # not in the server process, which knows this module, too

        cache, ends = self.scheduler.tree_cache, self.scheduler.cache_ends
        return report.summary(cache, ends.pins) if ends is not None else None

    def _rotation(self) -> dict[str, Any] | None:
        """Turns taken, or ``None`` if requests run to their end."""
        rotation = self.scheduler.rotation
        if rotation is None:
            return None
        return {
            "total": rotation.rotations,
            **{name: round(value, 4) for name, value in rotation.policy.calibration().items()},
            "settings": asdict(rotation.policy.settings),
            **rotation.book.state(self.scheduler.waiting_queue),
        }

    def _host(self) -> dict[str, Any] | None:
        """KV in host memory, or ``None`` where requests do not take turns or there is no such memory."""
        tier = self.scheduler.host_tier
        return None if tier is None else tier.state()

    def _waiting(self, req: Any) -> dict[str, Any]:
        state = self.scheduler.ledger.state_of(req)
        waited_us = self.scheduler.clock.now_us - state.arrival_us
        return {"rid": req.rid, "waited_ms": waited_us // 1000, "slo": state.slo.to_dict()}
