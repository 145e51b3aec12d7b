"""Steps and requests of a server that was listened to, as the simulator takes them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from superinfer.observe.events import Admitted, AnyEvent, Arrived, Finished, Step
from superinfer.workload.steps import MeasuredRequest, MeasuredStep


@dataclass(frozen=True, slots=True)
class Recording:
    """What was heard of a server.

    Attributes:
        steps: Of its engine, without those of no measurable length.
        requests: Those that were served from arrival to end, by arrival, counted from the first.
        left_out: Requests that arrived or ended meanwhile, but not both, were cut off, or ended without a token.
    """

    steps: tuple[MeasuredStep, ...]
    requests: tuple[MeasuredRequest, ...]
    left_out: int


def recording_of(events: Iterable[AnyEvent]) -> Recording:
    """Steps and whole requests among ``events``.

    Steps that were lost in a gap are not missed: each stands for itself. A request of which one event was lost is left
    out.
    """
    steps: list[MeasuredStep] = []
    arrived: dict[str, Arrived] = {}
    admitted: dict[str, Admitted] = {}
    ended: list[Finished] = []
    seen: set[str] = set()
    for event in events:
        match event:
            case Step(elapsed_us=elapsed_us) if elapsed_us > 0:
                steps.append(_step(event))
            case Arrived(rid=rid):
                arrived[rid] = event
                seen.add(rid)
            case Admitted(rid=rid):
                admitted[rid] = event
            case Finished(rid=rid):
                ended.append(event)
                seen.add(rid)
    whole = [(arrived[end.rid], admitted[end.rid], end) for end in ended if end.rid in arrived.keys() & admitted.keys()]
    requests = tuple(_requests(sorted(whole, key=lambda parts: parts[0].at_us)))
    return Recording(tuple(steps), requests, len(seen) - len(requests))


def _requests(whole: Sequence[tuple[Arrived, Admitted, Finished]]) -> Iterator[MeasuredRequest]:
    for arrival, admission, end in whole:
        if end.ttft_us and end.last_us and end.tokens:
            yield MeasuredRequest(
                at_us=arrival.at_us - whole[0][0].at_us,
                prompt_tokens=arrival.prompt_tokens,
                cached_tokens=min(admission.cached_tokens, arrival.prompt_tokens - 1),
                output_tokens=end.tokens,
                slo=dict(arrival.slo),
                first_us=end.ttft_us,
                last_us=end.last_us,
            )


def _step(step: Step) -> MeasuredStep:
    return MeasuredStep(
        decode_rows=step.rows,
        kv_tokens=step.kv_tokens,
        prefill_tokens=step.prefill_tokens,
        prefill_pairs=step.prefill_pairs,
        elapsed_us=step.elapsed_us,
    )
