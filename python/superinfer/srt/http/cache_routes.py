"""Routes under ``/superinfer`` about the KV cache: why a node stays or goes, and keeping a prefix."""

from http import HTTPStatus
from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sglang.srt.managers.io_struct import GenerateReqInput

from superinfer.slo.fields import MAX_MS
from superinfer.srt.internal_state import CACHE_KEY, STATE_KEY, CacheStateReq

router = APIRouter(prefix="/superinfer")


class PinRequest(BaseModel):
    """A prefix to keep: as text, as a chat's text would be sent to ``/generate``, or as token ids."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = None
    input_ids: Annotated[list[int], Field(min_length=1)] | None = None
    pin_ms: Annotated[int, Field(ge=1, le=MAX_MS)]


class Hint(BaseModel):
    """What a client knows once it has read an answer; ``id`` is the answer's."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1)]
    back_ms: Annotated[int, Field(ge=1, le=MAX_MS)] | None = None
    pin_ms: Annotated[int, Field(ge=1, le=MAX_MS)] | None = None
    ends: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.said():
            raise ValueError("give back_ms, pin_ms or ends")
        return self

    def said(self) -> dict[str, Any]:
        """As fields of an SLO."""
        return self.model_dump(exclude={"id"}, exclude_none=True, exclude_defaults=True)


@router.get("/cache")
async def cache(node: str | None = None) -> dict[str, Any]:
    """What is in each scheduler's cache and would go next; with ``node``, why that one stays or goes."""
    manager = _manager()
    manager.auto_create_handle_loop()
    answers = await manager.get_internal_state_communicator(CacheStateReq(node=node or ""))
    found = [answer.internal_state[STATE_KEY][CACHE_KEY] for answer in answers]
    if all(each is None for each in found):
        raise HTTPException(HTTPStatus.NOT_FOUND, "SGLang's own cache serves here: it explains nothing")
    if node and all(each is None or each["node"] is None for each in found):
        raise HTTPException(HTTPStatus.NOT_FOUND, f"node {node!r} is not known, or is the beginning of several names")
    return {"schedulers": found}


@router.post("/pin")
async def pin(asked: PinRequest, request: Request) -> dict[str, Any]:
    """Have a prefix computed, if it is not in the cache, and kept for a while."""
    if (asked.text is None) == (asked.input_ids is None):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "give either text or input_ids")
    params = {"max_new_tokens": 0, "custom_params": {"slo": {"pin_ms": asked.pin_ms}}}
    generate = GenerateReqInput(text=asked.text, input_ids=asked.input_ids, sampling_params=params)
    try:
        answer = await anext(_manager().generate_request(generate, request))
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from None
    meta = answer["meta_info"]
    return {
        "pinned": bool(meta.get("slo", {}).get("pinned")),
        "prompt_tokens": meta["prompt_tokens"],
        "cached_tokens": meta["cached_tokens"],
    }


@router.post("/hint")
async def hint(told: Hint) -> dict[str, Any]:
    """What happens next to a request's prefix, said after its answer: a tool runs, or the session has ended."""
    try:
        heard = await _manager().send_hint(told.id, told.said())
    except LookupError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
    return {"id": told.id, **heard}


def _manager() -> Any:
    from sglang.srt.entrypoints.http_server import get_global_state

    return get_global_state().tokenizer_manager
