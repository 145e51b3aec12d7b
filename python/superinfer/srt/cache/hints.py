"""Saying what comes after an answer, from the server process to the schedulers."""

from typing import Any

from superinfer.srt.internal_state import CACHE_KEY, HINT_KEY, STATE_KEY, CacheHintReq


async def send_hint(manager: Any, rid: str, said: dict[str, Any]) -> dict[str, Any]:
    """Tell the schedulers about a request that has ended.

    Args:
        manager: SGLang's tokenizer manager.
        rid: Of the request.
        said: ``back_ms``, ``pin_ms`` or ``ends``, as in an SLO.

    Returns:
        ``pinned``, if ``pin_ms`` asked for it.

    Raises:
        LookupError: Nobody hears it; says why.
    """
    manager.auto_create_handle_loop()
    answers = await manager.get_internal_state_communicator(CacheHintReq(rid=rid, said=said))
    states = [answer.internal_state[STATE_KEY] for answer in answers]
    if all(state[CACHE_KEY] is None for state in states):
        raise LookupError("SGLang's own cache serves here: it hears no hints")
    heard: dict[str, Any] | None = next((state[HINT_KEY] for state in states if state.get(HINT_KEY) is not None), None)
    if heard is None:
        raise LookupError(f"no request with id {rid!r} has ended lately")
    return heard
