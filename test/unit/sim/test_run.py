from dataclasses import replace

import pytest

from superinfer.sched.step_time import StepLoad
from superinfer.sim.run import POLICIES, policy_names, simulate
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival

pytestmark = pytest.mark.unit

CHAT = SLO(cls="interactive", ttft_ms=200, tpot_ms=100)
BATCH = SLO(cls="batch")


class Fixed:
    """A step takes 10 ms and a prompt token 0.1 ms more."""

    kv_tokens = 20_000
    has_host = True

    def step_us(self, load: StepLoad):
        return 10_000 + 100 * load.prefill_tokens if load.decode_rows or load.prefill_tokens else 0

    def prefill_alone_us(self, tokens):
        return self.step_us(StepLoad(prefill_tokens=tokens))

    def load_back_us(self, tokens):
        return tokens


class Slow(Fixed):
    """A step takes a second."""

    def step_us(self, load: StepLoad):
        return 1_000_000 if load.decode_rows or load.prefill_tokens else 0


LOAD = [
    Arrival(0, 200, 5, CHAT),
    Arrival(2_000_000, 1500, 5, CHAT),
    Arrival(4_000_000, 2000, 5, BATCH),
    Arrival(10_000_000, 256, 5, SLO()),
]


def test_figures_of_each_class():
    figures = simulate(LOAD, "fcfs", Fixed()).figures()
    chat, batch, standard = (figures["classes"][name] for name in ("interactive", "batch", "standard"))
    # The long prompt takes 160 ms; both tokens of it are on time.
    assert (chat["sent"], chat["met"], chat["share"]) == (2, 2, 1.0)
    assert (chat["ttft_p50_ms"], chat["ttft_p99_ms"]) == (30.0, 160.0)
    assert (batch["sent"], batch["met"], standard["sent"]) == (1, 1, 1)
    assert figures["totals"]["output_tokens"] == 20


def test_goodput_counts_promises_kept_per_second_of_arrivals():
    late = [*LOAD[:3], Arrival(10_000_000, 1999, 5, CHAT)]
    figures = simulate(late, "fcfs", Fixed()).figures()
    assert figures["classes"]["interactive"]["met"] == 2
    assert figures["classes"]["interactive"]["goodput_per_s"] == pytest.approx(0.2)
    assert figures["classes"]["batch"]["goodput_per_s"] == 0.0


def test_first_tokens_by_prompt_length():
    bands = simulate(LOAD, "fcfs", Fixed()).figures()["classes"]["interactive"]["ttft_by_prompt"]
    assert [band["prompt_tokens_up_to"] for band in bands] == [256, 1024, 4096, 16384, None]
    assert [band["prompt_tokens_above"] for band in bands] == [0, 256, 1024, 4096, 16384]
    assert [band["sent"] for band in bands] == [1, 0, 1, 0, 0]
    assert [band["ttft_p99_ms"] for band in bands] == [30.0, 0.0, 160.0, 0.0, 0.0]


def test_the_end_of_a_band_is_inside():
    bands = simulate(LOAD, "fcfs", Fixed()).figures()["classes"]["standard"]["ttft_by_prompt"]
    assert [band["sent"] for band in bands] == [1, 0, 0, 0, 0]


def test_a_run_lasts_until_the_last_deadline_and_ten_minutes_without():
    due_ms = 750_000
    slow = Arrival(0, 100, 700, SLO(cls="batch", deadline_ms=due_ms))
    assert simulate([slow], "fcfs", Slow()).served[0].met
    assert simulate([replace(slow, slo=BATCH)], "fcfs", Slow()).served[0].outcome is None


def test_nothing_to_do():
    figures = simulate([], "rotation", Fixed()).figures()
    assert figures["classes"] == {}
    assert figures["tokens_per_s"] == 0


def test_names_of_policies():
    assert policy_names("fcfs, rotation") == ["fcfs", "rotation"]
    assert policy_names("all") == list(POLICIES)
    with pytest.raises(ValueError, match="policy 'magic' is not known: fcfs"):
        policy_names("fcfs,magic")
    with pytest.raises(ValueError, match="policy 'all' is not known"):
        simulate([], "all", Fixed())
