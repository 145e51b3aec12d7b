"""The vocabulary of events, and the batches they travel in.

On the wire a batch is a msgpack map, and so is each event, whose ``type`` names it: readers in any language need no
schema, and fields that they do not know can be skipped.
"""

from typing import Literal

import msgspec

RotationReason = Literal["displaced", "memory", "aged", "paused", "forced"]
Verdict = Literal["met", "missed", "none"]


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=str.lower, omit_defaults=True):
    """Something that happened.

    Attributes:
        at_us: When, in microseconds on the machine's monotonic clock (``time.perf_counter``).
    """

    at_us: int


class Arrived(Event, frozen=True):
    """A request is in the waiting queue.

    Attributes:
        rid: The request.
        cls: Its SLO class.
        tenant: Whose it is, if it says so.
        prompt_tokens: Length of its prompt.
        tier: Its first rotation tier, 0 the fastest.
        slo: What it is promised in full, as in the body of a request.
    """

    rid: str
    cls: str
    tenant: str | None
    prompt_tokens: int
    tier: int
    slo: dict[str, str | int | float] = {}


class Admitted(Event, frozen=True):
    """A request is in the batch for the first time.

    Attributes:
        rid: The request.
        tier: Its rotation tier.
        wait_us: Time since its arrival.
        cached_tokens: Tokens of its prompt whose KV was already there.
    """

    rid: str
    tier: int
    wait_us: int
    cached_tokens: int = 0


class Rotated(Event, frozen=True):
    """A request was taken out of the batch, and is parked.

    Attributes:
        rid: The request.
        reason: ``displaced`` by one of an earlier band, for want of ``memory``, for one that ``aged`` in the queue,
            ``paused`` with the whole engine, or ``forced`` by a test.
        tier: Its rotation tier.
        generated: Tokens it has produced.
        kv_tokens: Tokens whose KV it held.
    """

    rid: str
    reason: RotationReason
    tier: int
    generated: int
    kv_tokens: int


class Resumed(Event, frozen=True):
    """A parked request is in the batch again.

    Attributes:
        rid: The request.
        parked_us: Time since it was rotated out.
        cached_tokens: Tokens whose KV was still there.
    """

    rid: str
    parked_us: int
    cached_tokens: int


class Promoted(Event, frozen=True):
    """A request moved to a faster tier."""

    rid: str
    from_tier: int
    to_tier: int


class Demoted(Event, frozen=True):
    """A request moved to a slower tier."""

    rid: str
    from_tier: int
    to_tier: int


class Relegated(Event, frozen=True):
    """A request can no longer keep a promise, even if it ran alone, and yields to those that can.

    Attributes:
        rid: The request.
        obligation: The promise, such as ``ttft``, ``tpot`` or ``deadline``.
    """

    rid: str
    obligation: str


class Finished(Event, frozen=True):
    """A request has produced its last token.

    Attributes:
        rid: The request.
        outcome: Whether its SLO was met; ``none`` if it had none to miss.
        ttft_us: Time from its arrival to its first token, if it produced one.
        tokens: Tokens it produced.
        last_us: Time from its arrival to its last token, if it produced one.
    """

    rid: str
    outcome: Verdict
    ttft_us: int | None
    tokens: int
    last_us: int | None = None


class Aborted(Event, frozen=True):
    """A request ended early: its client left, or it ran into a timeout."""

    rid: str


class Rejected(Event, frozen=True):
    """A waiting request was refused.

    Attributes:
        rid: The request.
        reason: Why, in a few words.
    """

    rid: str
    reason: str


class Step(Event, frozen=True):
    """An engine step is over.

    Attributes:
        rows: Requests that decoded.
        kv_tokens: Tokens of KV that they attended to.
        prefill_tokens: Prompt tokens computed; 0 for a step that only decodes.
        elapsed_us: How long it took.
        prefill_pairs: Over these prompt tokens, the sum of the tokens that each attends to.
    """

    rows: int
    kv_tokens: int
    prefill_tokens: int
    elapsed_us: int
    prefill_pairs: int = 0


class PassSummary(Event, frozen=True, tag="pass"):
    """The scheduler has decided; the queues are these.

    Attributes:
        running: Requests in the batch.
        waiting: Requests that have never run.
        parked: Requests rotated out.
        by_tier: Requests of each rotation tier, in all three states.
        decision_us: Time the decision took.
        longest_wait_us: Longest time any request has now been without service.
        wait_bound_us: The time after which a request goes to the front.
    """

    running: int
    waiting: int
    parked: int
    by_tier: tuple[int, ...]
    decision_us: int
    longest_wait_us: int
    wait_bound_us: int


AnyEvent = (
    Arrived
    | Admitted
    | Rotated
    | Resumed
    | Promoted
    | Demoted
    | Relegated
    | Finished
    | Aborted
    | Rejected
    | Step
    | PassSummary
)


class EventBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events in the order in which they were emitted.

    A batch without events says that the publisher is alive.

    Attributes:
        seq: Number of the batch, from 0; batches are not sent twice, so a jump is a loss for good.
        at_us: When it was sent.
        events: Its events.
        dropped: Events that the publisher has had to drop since it started.
    """

    seq: int
    at_us: int
    events: list[AnyEvent]
    dropped: int = 0
