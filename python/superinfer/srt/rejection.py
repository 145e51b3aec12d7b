"""What the scheduler tells the server process, and this the client, about a request that is refused."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from superinfer.srt.ledger import Early

RETRY_KEY = "retry_after_s"
"""Name of our field in the reason with which SGLang ends a request; only refused requests have it."""


def reason(retry_after_s: int) -> dict[str, Any]:
    """The reason with which a request ends whose SLO cannot be met.

    Args:
        retry_after_s: Seconds until what waits now will have been served.
    """
    return {
        "type": "abort",
        "status_code": HTTPStatus.TOO_MANY_REQUESTS,
        "message": message(retry_after_s),
        RETRY_KEY: retry_after_s,
    }


def message(retry_after_s: int) -> str:
    """What the client is told."""
    return f"The SLO cannot be met now; try again in {retry_after_s} s."


def early_end(finished_reason: Mapping[str, Any] | None) -> Early:
    """How a request ended that SGLang ends for this reason."""
    return "rejected" if finished_reason and RETRY_KEY in finished_reason else "aborted"


def retry_after_s(output: Any) -> int | None:
    """Seconds after which to come again, if this is the output of a refused request or, as a whole, batch."""
    items = output if isinstance(output, list) else [output]
    reasons = [item.get("meta_info", {}).get("finish_reason") for item in items]
    waits = [reason[RETRY_KEY] for reason in reasons if isinstance(reason, dict) and RETRY_KEY in reason]
    return max(waits) if waits and len(waits) == len(items) else None
