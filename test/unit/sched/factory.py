"""States, costs and candidates in the units tests think in: milliseconds and tokens."""

from superinfer.sched import Candidate, CostModel, SLOState
from superinfer.slo import SLO, SLOClasses

MS = 1000
CLASSES = SLOClasses()


def cost_model(step_ms=0, token_ms=0):
    """A model that has learnt these two prices."""
    cost = CostModel()
    if step_ms:
        cost.observe(prefill_tokens=0, decode_rows=1, elapsed_us=step_ms * MS)
    if token_ms:
        cost.observe(prefill_tokens=100, decode_rows=0, elapsed_us=(step_ms + 100 * token_ms) * MS)
    return cost


def state(slo=None, *, seq=1, arrival_ms=0):
    """A request whose class is resolved the way the server does it; of the default class if nothing is asked."""
    promised = CLASSES.resolve(slo or SLO())
    return SLOState(promised, rank=CLASSES.rank(promised.cls), seq=seq, arrival_us=arrival_ms * MS)


def candidate(slo=None, *, seq=1, arrival_ms=0, uncached=1, remaining=1):
    return Candidate(state(slo, seq=seq, arrival_ms=arrival_ms), uncached_tokens=uncached, remaining_tokens=remaining)
