"""An upper bound on how many requests any schedule serves on time, from lengths that no scheduler knows.

Each request becomes one job on one machine that does one thing: multiply. The job has to be done between the request's
arrival and the time a token is due. Relaxed, each of which only makes more requests be on time:

- A step takes as long as its multiplications. That it also reads weights and KV, starts, or waits for the host is free.
- Memory is unlimited; jobs are interrupted and resumed at no cost, and served at any fraction of the machine's speed.
- Requests without a target count as on time, and neither they nor those that are late take any of the machine's time.
- A block of a prompt that an earlier arrival has, too, is always found in the cache.
- Only one due time of a request counts: that of its first token (and the prompt as work), or that of its last (and the
  answer as work, too). Both are tried, and the smaller bound holds.
- Within a stretch of time, all requests that arrive and are due in it are there from its start.

In each stretch, Moore's algorithm finds the least number of late jobs. Stretches that do not overlap have no job in
common, so that their numbers add up; dynamic programming finds the best set of stretches.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from superinfer.sim.roofline import Roofline
from superinfer.workload.arrivals import PREFIX_BLOCK_TOKENS, Arrival


class Work(NamedTuple):
    """What has to be done for one request, in microseconds.

    Attributes:
        release_us: Not before this time.
        due_us: Not after this one.
        cost_us: So long, with the machine for itself.
    """

    release_us: int
    due_us: float
    cost_us: float


def most_on_time(load: Iterable[Arrival], cost: Roofline) -> int:
    """No schedule of ``load`` on the machine of ``cost`` has more requests on time than this.

    Holds as well for a part of the load, such as one class.
    """
    arrivals = sorted(load, key=lambda arrival: arrival.at_us)
    prompts = list(zip(arrivals, _uncached(arrivals), strict=True))
    late = max(fewest_late([work for pair in prompts if (work := of(*pair, cost))]) for of in (_first, _last))
    return len(arrivals) - late


def fewest_late(works: Sequence[Work]) -> int:
    """A lower bound on how many of these a machine with preemption has late."""
    by_due = sorted(works, key=lambda work: work.due_us)
    ends = [work.due_us for work in by_due]
    starts = sorted({work.release_us for work in works})
    # The most late that stretches ending by the due time of by_due[index - 1] prove.
    proven = [0] * (len(ends) + 1)
    for start in starts:
        before = bisect_right(ends, start)
        known = max(proven[: before + 1])
        for index, late in _late_by_due(by_due, start):
            proven[index + 1] = max(proven[index + 1], known + late)
    return max(proven)


def _late_by_due(by_due: Sequence[Work], start_us: int) -> Iterable[tuple[int, int]]:
    """Moore's algorithm over what arrives from ``start_us`` on: late jobs among those due by each job's due time."""
    kept: list[float] = []
    end_us, late = float(start_us), 0
    for index, work in enumerate(by_due):
        if work.release_us < start_us:
            continue
        heapq.heappush(kept, -work.cost_us)
        end_us += work.cost_us
        if end_us > work.due_us:
            end_us += heapq.heappop(kept)
            late += 1
            yield index, late


def _uncached(arrivals: Sequence[Arrival]) -> Iterable[int]:
    """Prompt tokens of each that no earlier arrival has."""
    seen: set[int] = set()
    for arrival in arrivals:
        blocks = arrival.prefix[: (arrival.prompt_tokens - 1) // PREFIX_BLOCK_TOKENS]
        yield arrival.prompt_tokens - PREFIX_BLOCK_TOKENS * sum(block in seen for block in blocks)
        seen.update(blocks)


def _first(arrival: Arrival, uncached: int, cost: Roofline) -> Work | None:
    """The prompt, by the first token's time."""
    dues = [ms for ms in (arrival.slo.ttft_ms, arrival.slo.deadline_ms) if ms is not None]
    if not dues:
        return None
    return Work(arrival.at_us, arrival.at_us + 1000 * min(dues), _prompt_us(arrival, uncached, cost))


def _last(arrival: Arrival, uncached: int, cost: Roofline) -> Work | None:
    """Prompt and answer, by the last token's time."""
    slo, more = arrival.slo, arrival.output_tokens - 1
    dues = [] if slo.deadline_ms is None else [float(slo.deadline_ms)]
    if slo.ttft_ms is not None and (slo.pace_ms is not None or not more):
        dues.append(slo.ttft_ms + more * (slo.pace_ms or 0))
    if not dues:
        return None
    pairs = more * arrival.prompt_tokens + more * (more - 1) // 2
    answer_us = 1e6 * cost.compute_s(more, pairs)
    return Work(arrival.at_us, arrival.at_us + 1000 * min(dues), _prompt_us(arrival, uncached, cost) + answer_us)


def _prompt_us(arrival: Arrival, uncached: int, cost: Roofline) -> float:
    # A token attends to those before it; that chunks count some pairs more only makes them slower.
    pairs = uncached * (arrival.prompt_tokens - uncached) + uncached * (uncached - 1) // 2
    return 1e6 * cost.compute_s(uncached, pairs)
