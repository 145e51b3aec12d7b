"""What the scheduler tells about itself."""

from typing import Any

from sglang.srt.managers.scheduler_components.internal_state import SchedulerInternalStateController

from superinfer import __version__
from superinfer.srt.hooks import Role, status

STATE_KEY = "superinfer"


class SLOInternalState(SchedulerInternalStateController):
    """Adds a ``superinfer`` object to the state each rank reports."""

    def get_internal_state(self, recv_req: Any) -> Any:
        """SGLang's state with ours inside; plain JSON types only."""
        output = super().get_internal_state(recv_req)
        output.internal_state[STATE_KEY] = self._superinfer()
        return output

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
            "running_total": len(scheduler.running_batch.reqs),
            "kv_tokens": scheduler.max_total_num_tokens,
            "outcomes": outcomes,
            "cost": {
                "prefill_token_us": round(scheduler.step_time.prefill_prices_us[1], 3),
                "decode_step_us": scheduler.step_time.decode_us(1),
            },
            "rotation": self._rotation(),
            "kv": scheduler.kv.state() if scheduler.kv else None,
        }

    def _rotation(self) -> dict[str, Any] | None:
        """Turns taken, or ``None`` if requests run to their end."""
        rotation = self.scheduler.rotation
        if rotation is None:
            return None
        error = rotation.policy.step_time.error
        return {
            "total": rotation.rotations,
            "step_time_error": round(error, 4),
            **rotation.book.state(self.scheduler.waiting_queue),
        }

    def _waiting(self, req: Any) -> dict[str, Any]:
        state = self.scheduler.ledger.state_of(req)
        waited_us = self.scheduler.clock.now_us - state.arrival_us
        return {"rid": req.rid, "waited_ms": waited_us // 1000, "slo": state.slo.to_dict()}
