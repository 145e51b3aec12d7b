"""Reading the SLO parts of a request's body, without decoding the rest of it."""

import json
from typing import Any

import msgspec

from superinfer.slo import SLO, Carried, SLOError, parse_slo, read_service_tier

_LIMIT = "is not JSON that can be read: nested too deeply, or a number too large"


class _View(msgspec.Struct):
    """The fields that can carry an SLO; everything else is skipped by the decoder."""

    slo: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    service_tier: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    custom_params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    sampling_params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Chat(msgspec.Struct):
    """Who said what in a chat, without what was said."""

    messages: list["_Message"] = []


class _Message(msgspec.Struct):
    role: str | None = None


_decoder = msgspec.json.Decoder(_View)
_chat_decoder = msgspec.json.Decoder(_Chat)


class BodySLO:
    """The SLO parts of a body.

    Attributes:
        carried: The top-level ``slo`` and ``service_tier``.
        custom_params: Each ``custom_params`` in the body: one, or one per prompt of a batch.

    Raises:
        SLOError: A part is malformed.
    """

    def __init__(self, body: bytes, header: SLO, *, native: bool) -> None:
        fields = _read(body)
        slo, tier = fields.get("slo"), fields.get("service_tier")
        self.carried = Carried(
            header=header,
            body=SLO() if slo is None else parse_slo(slo),
            tier=read_service_tier(tier),
        )
        self.custom_params = _native_params(fields) if native else [fields.get("custom_params")]


def last_role(body: bytes) -> str | None:
    """The role of a chat's last message; ``None`` if it cannot be read, which is SGLang's to refuse."""
    try:
        messages = _chat_decoder.decode(body).messages
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return messages[-1].role if messages else None


def _read(body: bytes) -> dict[str, Any]:
    """Decode the fields of ``_View``; an empty dict if the body is not JSON, which is SGLang's to refuse."""
    try:
        view = _decoder.decode(body)
        raw = {name: getattr(view, name) for name in view.__struct_fields__}
        return {name: msgspec.json.decode(part) for name, part in raw.items() if part is not msgspec.UNSET}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def _read_leniently(body: bytes) -> dict[str, Any]:
    """Python's own parser takes NaN and huge numbers, so that the error can name the field that has them."""
    try:
        data = json.loads(body)
    except RecursionError:
        raise SLOError("body", _LIMIT) from None
    except ValueError as error:
        # The interpreter refuses integers of thousands of digits; plain syntax errors are SGLang's to report.
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return {}
        raise SLOError("body", _LIMIT) from None
    if not isinstance(data, dict):
        raise SLOError("body", "must be a JSON object")
    return data


def _native_params(fields: dict[str, Any]) -> list[Any]:
    """``custom_params`` of each set of sampling parameters; what is none is left for SGLang to refuse."""
    params = fields.get("sampling_params")
    return [
        item.get("custom_params")
        for item in (params if isinstance(params, list) else [params])
        if isinstance(item, dict)
    ]
