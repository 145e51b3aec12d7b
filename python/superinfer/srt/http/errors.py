"""HTTP 400 in the shape of the route that answers."""

import msgspec
from starlette.responses import Response

from superinfer.slo import SLOError


def error_response(error: SLOError, *, native: bool) -> Response:
    """The refusal of an SLO.

    Args:
        error: What is wrong.
        native: Whether the route is SGLang's own ``/generate``, which nests its errors, or OpenAI's, where
            SGLang does not.
    """
    if native:
        content: dict[str, object] = {
            "error": {
                "message": str(error),
                "type": "invalid_request_error",
                "param": error.field,
                "code": 400,
                "retryable": False,
            }
        }
    else:
        content = {
            "object": "error",
            "message": str(error),
            "type": "BadRequestError",
            "param": error.field,
            "code": 400,
        }
    return Response(msgspec.json.encode(content), status_code=400, media_type="application/json")
