"""SGLang's tokenizer manager, which also settles what a request is promised and passes on the verdict."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException
from sglang.srt.managers.io_struct import GenerateReqInput
from sglang.srt.managers.tokenizer_manager import TokenizerManager

from superinfer import config
from superinfer.slo import SLOPolicy
from superinfer.srt import rejection
from superinfer.srt.clock import read_us
from superinfer.srt.exchange import Exchange
from superinfer.srt.internal_state import HEARD_KEY, LISTENS_KEY, CacheHintReq
from superinfer.srt.promise import promise
from superinfer.srt.streamer import REPORT_KEY


class SLOTokenizerManager(TokenizerManager):
    """Every request passes here on its way in and out, whichever front end it came through.

    Attributes:
        slo_policy: The operator's classes and limits.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = config.active()
        assert settings is not None, "only hooked in when SuperInfer is on"
        self.slo_policy: SLOPolicy = settings.slo_policy()
        super().__init__(*args, **kwargs)

    async def generate_request(self, obj: Any, request: Any = None) -> AsyncIterator[Any]:
        """Promise, generate, report.

        Raises:
            SLOError: A ``ValueError``, which SGLang answers with HTTP 400.
            HTTPException: A request that is not streamed was refused.
        """
        exchange = Exchange.of(request)
        if isinstance(obj, GenerateReqInput):
            promise(obj, self.slo_policy, exchange, read_us())
        # Closed explicitly: when a client leaves, the request must be aborted now, not when garbage is collected.
        async with aclosing(super().generate_request(obj, request)) as outputs:
            async for output in outputs:
                exchange.observe(output)
                if exchange.retry_after_s is not None and not obj.stream:
                    raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, rejection.message(exchange.retry_after_s))
                yield output

    async def send_hint(self, rid: str, said: dict[str, Any]) -> dict[str, Any]:
        """Tell the schedulers what comes after the answer to a request.

        Args:
            rid: Of the request, which has ended.
            said: ``back_ms``, ``pin_ms`` or ``ends``, as in an SLO.

        Returns:
            ``pinned``, if ``pin_ms`` asked for it.

        Raises:
            LookupError: Nobody hears it; says why.
        """
        self.auto_create_handle_loop()
        answers = await self.get_internal_state_communicator(CacheHintReq(rid=rid, said=said))
        states = [answer.internal_state for answer in answers]
        if not any(state[LISTENS_KEY] for state in states):
            raise LookupError("SGLang's own cache serves here: it hears no hints")
        for state in states:
            if (heard := state[HEARD_KEY]) is not None:
                return dict(heard)
        raise LookupError(f"no request with id {rid!r} has ended lately")

    async def _handle_abort_finish_reason(self, out: dict[str, Any], state: Any, is_stream: bool) -> Any:
        """Refusals come as outputs also where the request is not streamed: they say when to try again."""
        refused = rejection.retry_after_s(out) is not None
        return await super()._handle_abort_finish_reason(out, state, is_stream or refused)

    def update_request_meta_info(
        self, meta_info: dict[str, Any], state: Any, customized_info: dict[str, Any], index: int, finish_reason: Any
    ) -> None:
        """Put the scheduler's report, which comes with the last output, into ``meta_info["slo"]``."""
        reports = customized_info.get(REPORT_KEY)
        if reports and reports[index]:
            meta_info["slo"] = reports[index][0]
        rest = {key: values for key, values in customized_info.items() if key != REPORT_KEY}
        super().update_request_meta_info(meta_info, state, rest, index, finish_reason)
