"""From what a generate request carries to the SLO in its sampling parameters."""

from typing import Any

from superinfer.slo import SLO, SLOError, SLOPolicy, parse_slo
from superinfer.srt.cache.asker import PROMPT_ENDS_KEY
from superinfer.srt.clock import ARRIVAL_KEY
from superinfer.srt.exchange import Exchange

PARAMS_PATH = "custom_params.slo"


def promise(obj: Any, policy: SLOPolicy, exchange: Exchange, arrival_us: int) -> None:
    """Settle the SLO of SGLang's ``obj``, one per prompt if it has sampling parameters per prompt.

    Afterwards ``custom_params["slo"]`` of each holds the full promise in wire form, targets of its class included, and
    ``custom_params[ARRIVAL_KEY]`` when it arrived, whatever a client wrote there; of a chat, ``PROMPT_ENDS_KEY`` whose
    message is the last.

    Raises:
        SLOError: An SLO is malformed or contradicts another carrier's.
    """
    params = obj.sampling_params
    if isinstance(params, list):
        obj.sampling_params = [_promise_one(item, policy, exchange, arrival_us) for item in params]
    else:
        obj.sampling_params = _promise_one(params, policy, exchange, arrival_us)


def settle(custom_params: Any, policy: SLOPolicy, exchange: Exchange) -> SLO:
    """The SLO promised to a request with these ``custom_params``.

    Raises:
        SLOError: The SLO is malformed or contradicts another carrier's.
    """
    if custom_params is not None and not isinstance(custom_params, dict):
        raise SLOError("custom_params", "must be an object")
    asked = (custom_params or {}).get("slo")
    params = SLO() if asked is None else parse_slo(asked, PARAMS_PATH)
    return policy.promise(params, exchange.carried, exchange.principal, PARAMS_PATH)


def _promise_one(params: Any, policy: SLOPolicy, exchange: Exchange, arrival_us: int) -> Any:
    if params is not None and not isinstance(params, dict):
        return params  # SGLang rejects it with its own words
    custom = (params or {}).get("custom_params")
    slo = settle(custom, policy, exchange)
    told: dict[str, Any] = {"slo": slo.to_dict(), ARRIVAL_KEY: arrival_us}
    if exchange.prompt_ends_with is not None:
        told[PROMPT_ENDS_KEY] = exchange.prompt_ends_with
    return {**(params or {}), "custom_params": {**(custom or {}), **told}}
