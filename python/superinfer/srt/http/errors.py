"""HTTP errors in the shape of the route that answers."""

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from superinfer.slo import SLOError
from superinfer.srt import rejection

_NAMES = {
    HTTPStatus.BAD_REQUEST: ("invalid_request_error", "BadRequestError"),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate_limit_error", "RateLimitError"),
}
"""Status -> type of the error on SGLang's own routes, and on OpenAI's."""


def error_response(error: SLOError, *, native: bool) -> Response:
    """The refusal of an SLO that is not valid.

    Args:
        error: What is wrong.
        native: Whether the route is SGLang's own ``/generate``, which nests its errors, or OpenAI's, where
            SGLang does not.
    """
    return _response(HTTPStatus.BAD_REQUEST, str(error), error.field, native=native)


def refusal_response(retry_after_s: int, *, native: bool) -> Response:
    """The refusal of a request whose SLO cannot be met now.

    Args:
        retry_after_s: Seconds after which to try again.
        native: As in ``error_response``.
    """
    response = _response(HTTPStatus.TOO_MANY_REQUESTS, rejection.message(retry_after_s), None, native=native)
    response.headers["retry-after"] = str(retry_after_s)
    return response


def _response(status: HTTPStatus, message: str, param: str | None, *, native: bool) -> Response:
    nested, flat = _NAMES[status]
    content: dict[str, object]
    if native:
        retryable = status is not HTTPStatus.BAD_REQUEST
        inner = {"message": message, "type": nested, "param": param, "code": status.value, "retryable": retryable}
        content = {"error": inner}
    else:
        content = {"object": "error", "message": message, "type": flat, "param": param, "code": status.value}
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
