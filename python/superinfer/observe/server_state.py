"""What ``GET /superinfer/state`` answers, as far as it is shown."""

from collections import Counter
from typing import Any

import httpx
import msgspec

from superinfer.observe.errors import ObserveError

PATH = "/superinfer/state"


class WaitingRequest(msgspec.Struct, frozen=True):
    """One of the first requests in the queue."""

    waited_ms: int


class Cost(msgspec.Struct, frozen=True):
    """What the cost model has learnt."""

    prefill_token_us: float
    decode_step_us: float


class Rotation(msgspec.Struct, frozen=True):
    """Turns in the engine.

    Attributes:
        settings: Those of the policy, ``sched.rotation.RotationSettings`` as a map.
    """

    settings: dict[str, Any]


class SchedulerState(msgspec.Struct, frozen=True):
    """One scheduler.

    Attributes:
        waiting: The first requests in its queue.
        waiting_total: All of them.
        running_total: Requests in its batch.
        outcomes: Class -> outcome -> requests, since the server started.
        cost: Learnt prices.
        kv_tokens: Tokens that its KV memory holds.
        rotation: Turns in the engine; ``None`` where requests run to their end.
    """

    waiting: list[WaitingRequest]
    waiting_total: int
    running_total: int
    outcomes: dict[str, dict[str, int]]
    cost: Cost
    kv_tokens: int
    rotation: Rotation | None = None


class ServerState(msgspec.Struct, frozen=True):
    """The whole server.

    Attributes:
        version: Of SuperInfer.
        model: What it serves.
        slo_classes: Class -> its targets.
        schedulers: Its schedulers; ``None`` for one that has not told.
    """

    version: str
    model: str
    slo_classes: dict[str, dict[str, Any]]
    schedulers: list[SchedulerState | None]

    @property
    def told(self) -> list[SchedulerState]:
        """The schedulers that have told their state."""
        return [scheduler for scheduler in self.schedulers if scheduler is not None]

    def outcomes(self) -> dict[str, Counter[str]]:
        """Class -> outcome -> requests, over all schedulers."""
        total: dict[str, Counter[str]] = {}
        for scheduler in self.told:
            for cls, counts in scheduler.outcomes.items():
                total.setdefault(cls, Counter()).update(counts)
        return total


def read_state(client: httpx.Client) -> ServerState:
    """Ask the server that ``client`` is made for.

    Raises:
        ObserveError: It does not answer, refuses, or is no SuperInfer server.
    """
    try:
        reply = client.get(PATH)
        reply.raise_for_status()
        return msgspec.json.decode(reply.content, type=ServerState)
    except httpx.HTTPStatusError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise ObserveError(f"{error.request.url} answers {status}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ObserveError(f"{client.base_url} does not answer: {error}") from None
    except msgspec.DecodeError as error:
        raise ObserveError(f"{client.base_url} answers with what is no state of a server: {error}") from None
