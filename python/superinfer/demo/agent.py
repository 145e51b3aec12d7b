"""An agent: plan, three workers over a shared prefix, and a write-up, all within one deadline."""

from typing import Any

import superinfer
from superinfer import SLO

BRIEF = (
    "You are the research desk of a small newspaper. You write for curious readers without special knowledge. "
    "You use short, plain sentences and concrete examples. You never invent figures or quotations. "
    "When you plan, you list exactly three sections. When you write a section, you write two sentences and stop."
)

# The machine this runs on is a laptop's CPU: a second a word would be slow, three words a second is a pace to read at.
INTERACTIVE = SLO(cls="interactive", ttft_ms=4_000, tpot_ms=500, deadline_ms=60_000)


@superinfer.function(slo=INTERACTIVE, on_late="relax")
def report(s: Any, topic: str) -> None:
    """The program's deadline is for all five calls; each is sent what is left of it."""
    s += superinfer.system(BRIEF)
    s += superinfer.user(f"Plan a short report on {topic}.")
    s += superinfer.assistant(superinfer.gen("plan", max_tokens=40))

    workers = s.fork(3)
    for number, worker in enumerate(workers, start=1):
        worker += superinfer.user(f"Write section {number}.")
        worker += superinfer.assistant(superinfer.gen("section", max_tokens=32))
    sections = [worker["section"] for worker in workers]

    s += superinfer.user("Here are the sections:\n" + "\n".join(sections) + "\nWrite the headline.")
    # A headline is the last thing the reader waits for: a tighter first token than the rest.
    s += superinfer.assistant(superinfer.gen("headline", max_tokens=16, slo=SLO(ttft_ms=3_000)))
