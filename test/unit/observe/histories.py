"""Event histories: one that is told, and any that could be."""

from hypothesis import strategies as st

from superinfer.observe.delivery import Delivery, Gap
from superinfer.observe.events import (
    Aborted,
    Admitted,
    Arrived,
    Demoted,
    EventBatch,
    Finished,
    PassSummary,
    Promoted,
    Rejected,
    Relegated,
    Resumed,
    Rotated,
    Step,
)

STORY = (
    Arrived(1_000, "a", "interactive", "acme", 300, 0, {"class": "interactive", "ttft_ms": 500}),
    Arrived(1_200, "b", "batch", None, 2_000, 2),
    Admitted(2_000, "b", 2, 800),
    Step(3_000, 1, 2_000, 2_000, 1_000),
    Rotated(3_000, "b", "displaced", 2, 5, 2_005),
    Admitted(3_000, "a", 0, 2_000, 20),
    PassSummary(3_000, 1, 0, 1, (1, 0, 1), 150, 2_000, 60_000),
    Step(4_000, 1, 301, 0, 900),
    Demoted(4_000, "a", 0, 1),
    Promoted(4_200, "a", 1, 0),
    Relegated(4_500, "b", "deadline"),
    Finished(5_000, "a", "met", 2_500, 20, 4_000),
    Resumed(5_000, "b", 2_000, 1_900),
    Aborted(6_000, "b"),
    Arrived(6_100, "c", "batch", None, 10, 2),
    Rejected(6_200, "c", "queue full"),
)
"""Every kind of event: a displaces b, and is served; b resumes and is aborted; c is refused."""

TIMES = st.integers(0, 50)
COUNTS = st.integers(0, 9)
TIERS = st.integers(0, 3)
RIDS = st.sampled_from("abcd")

EVENTS = st.one_of(
    st.builds(
        Arrived, TIMES, RIDS, st.sampled_from(["interactive", "batch"]), st.sampled_from([None, "t"]), COUNTS, TIERS
    ),
    st.builds(Admitted, TIMES, RIDS, TIERS, COUNTS),
    st.builds(Rotated, TIMES, RIDS, st.sampled_from(["displaced", "memory", "aged"]), TIERS, COUNTS, COUNTS),
    st.builds(Resumed, TIMES, RIDS, COUNTS, COUNTS),
    st.builds(Promoted, TIMES, RIDS, TIERS, TIERS),
    st.builds(Demoted, TIMES, RIDS, TIERS, TIERS),
    st.builds(Relegated, TIMES, RIDS, st.sampled_from(["ttft", "deadline"])),
    st.builds(Finished, TIMES, RIDS, st.sampled_from(["met", "missed", "none"]), st.none() | COUNTS, COUNTS),
    st.builds(Aborted, TIMES, RIDS),
    st.builds(Rejected, TIMES, RIDS, st.just("full")),
    st.builds(Step, TIMES, COUNTS, COUNTS, COUNTS, COUNTS),
    st.builds(PassSummary, TIMES, COUNTS, COUNTS, COUNTS, st.just((1, 2)), COUNTS, COUNTS, COUNTS),
)
"""Any event; in a list of them times go up and down, and requests do what no request does."""

HISTORIES = st.lists(EVENTS, max_size=60)


def delivered(*batches, gap_before=()):
    """Deliveries of these batches of events; those of the numbers in ``gap_before`` with a gap in front."""
    return [
        Delivery(
            EventBatch(seq, events[-1].at_us if events else 0, list(events)), Gap(1) if seq in gap_before else None
        )
        for seq, events in enumerate(batches)
    ]
