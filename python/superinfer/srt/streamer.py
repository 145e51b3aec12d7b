"""SGLang's output streamer, which also notes when tokens leave and adds the verdict to the last of them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from sglang.srt.managers.schedule_batch import FINISH_ABORT
from sglang.srt.managers.scheduler_components.output_streamer import SchedulerOutputStreamer

from superinfer.srt.ledger import Ledger

REPORT_KEY = "superinfer_slo"
"""Name of the report among the per-request fields that SGLang carries to the tokenizer manager."""


@dataclass(kw_only=True)
class SLOOutputStreamer(SchedulerOutputStreamer):
    """Records each send in ``ledger``."""

    has_additional_customized_info: ClassVar[bool] = True

    ledger: Ledger = field()

    def stream_output(self, reqs: list[Any], return_logprob: bool, skip_req: Any = None) -> None:
        """Send what is ready. Tokens count as sent here, also those that a non-streaming reply still holds.

        Who was taken out meanwhile and has nothing to be sent is left out: its client would get an empty chunk, before
        its first token perhaps.
        """
        reqs = [req for req in reqs if not _is_out_of_news(req)]
        for req in reqs:
            if req is not skip_req and not (req.finished() and req.finished_output):
                self.ledger.sent(req)
        super().stream_output(reqs, return_logprob, skip_req)

    def build_additional_customized_info(self, reqs: list[Any]) -> dict[str, list[Any]]:
        """For each emitted request a list: its report if this is its last output, else nothing."""
        return {REPORT_KEY: [self._reports(req) for req in reqs]}

    def _reports(self, req: Any) -> list[dict[str, object]]:
        if not req.finished():
            return []
        report = self.ledger.close(req, "aborted" if isinstance(req.finished_reason, FINISH_ABORT) else None)
        return [] if report is None else [report]


def _is_out_of_news(req: Any) -> bool:
    return req.is_retracted and not req.finished() and len(req.output_ids) <= req.send_token_offset
