import pytest

from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sim.baselines import BASELINES
from superinfer.sim.baselines.chunked import Chunked
from superinfer.sim.baselines.orders import by, fcfs
from superinfer.sim.baselines.room import ClassPreempts
from superinfer.sim.baselines.sglang import output_reserve
from unit.sched.jobs import BATCH, CHAT, job, known_machine

pytestmark = pytest.mark.unit


def decide(policy, jobs, capacity=10_000, now_us=0):
    """Arrival numbers of those who decode, compute (with tokens), and are taken out."""
    resident = sum(made.computed_tokens for made in jobs if made.phase in (Phase.RUNNING, Phase.PREFILL))
    plan = policy.decide(now_us, jobs, Pool(capacity, resident))
    return (
        [made.state.seq for made in plan.decode],
        [(chunk.job.state.seq, chunk.tokens) for chunk in plan.prefill],
        [made.state.seq for made in plan.park],
    )


def running(seq, slo=BATCH, **fields):
    return job(seq, slo, phase=Phase.RUNNING, **fields)


def test_streams_come_first_and_prompts_share_the_rest_of_the_step():
    jobs = [running(0), running(1), job(2, prompt=1500), job(3, prompt=1500)]
    assert decide(Chunked(by(fcfs)), jobs) == ([0, 1], [(2, 1500), (3, 546)], [])


def test_a_prompt_that_has_begun_goes_on():
    jobs = [job(0, prompt=1000), job(1, prompt=3000, computed=2000, phase=Phase.PREFILL)]
    assert decide(Chunked(by(fcfs)), jobs)[1] == [(1, 1000), (0, 1000)]


def test_out_of_memory_the_latest_goes():
    jobs = [running(0, prompt=500), running(1, prompt=500)]
    assert decide(Chunked(by(fcfs)), jobs, capacity=1001) == ([0], [], [1])


def test_nobody_passes_a_prompt_that_does_not_fit():
    jobs = [running(0, prompt=500), job(1, prompt=600), job(2, prompt=10)]
    assert decide(Chunked(by(fcfs)), jobs, capacity=1000) == ([0], [], [])


@pytest.mark.parametrize("policy", ["priority", "sglang-priority"])
def test_chat_takes_the_memory_of_the_latest_batch(policy):
    jobs = [running(0, prompt=1000), running(1, prompt=1000), running(2, CHAT, prompt=1000), job(3, CHAT, prompt=400)]
    for tokens, made in ((200, jobs[3]), (200, jobs[0])):
        made.expected_tokens = tokens
    decode, prefill, park = decide(BASELINES[policy](), jobs, capacity=3300)
    assert (decode, prefill, park) == ([0, 2], [(3, 400)], [1])


@pytest.mark.parametrize("policy", ["priority", "sglang-priority"])
def test_equals_are_not_displaced(policy):
    jobs = [running(0, CHAT, prompt=1000), job(1, CHAT, prompt=400)]
    assert decide(BASELINES[policy](), jobs, capacity=1300) == ([0], [], [])


def test_a_threshold_protects_neighbours():
    jobs = [running(0, BATCH, prompt=1000), job(1, CHAT, prompt=400)]
    for threshold, park in ((1, [0]), (2, [])):
        policy = Chunked(by(fcfs), preempt=ClassPreempts(threshold))
        assert decide(policy, jobs, capacity=1300)[2] == park


def test_sglang_takes_memory_for_the_answer_as_well():
    jobs = [running(0, BATCH, prompt=1000), job(1, CHAT, prompt=400)]
    # 1,500 tokens hold both prompts, but not the 256 tokens that the answer may have.
    assert decide(BASELINES["priority"](), jobs, capacity=1500)[2] == []
    assert decide(BASELINES["sglang-priority"](), jobs, capacity=1500)[2] == [0]


def test_victims_that_would_not_be_enough_stay():
    jobs = [running(0, BATCH, prompt=100), running(1, CHAT, prompt=1000), job(2, CHAT, prompt=900)]
    assert decide(BASELINES["priority"](), jobs, capacity=1300) == ([0, 1], [], [])


def test_a_reserve_holds_nobody_back_on_an_empty_machine():
    policy = Chunked(by(fcfs), reserve=output_reserve)
    assert decide(policy, [job(0, prompt=900)], capacity=1000)[1] == [(0, 900)]


def test_edf_refuses_what_cannot_be_on_time():
    policy = BASELINES["edf-reject"]()
    policy.step_time = known_machine()
    jobs = [job(0, CHAT, prompt=4000), job(1, CHAT, prompt=6000), job(2, BATCH, prompt=6000)]
    plan = policy.decide(0, jobs, Pool(100_000, 0))
    assert [made.state.seq for made in plan.reject] == [1]


@pytest.mark.parametrize(
    ("policy", "first"), [("fcfs", 0), ("priority", 1), ("spf", 2), ("hrrn", 2), ("edf", 1), ("slack", 3)]
)
def test_who_is_first(policy, first):
    chosen = BASELINES[policy]()
    chosen.step_time = known_machine()
    jobs = [
        job(0, BATCH, prompt=3000),
        job(1, CHAT, prompt=500, arrival_us=1000),
        job(2, BATCH, prompt=50, arrival_us=1000),
        job(3, CHAT, prompt=2500, arrival_us=1000),
    ]
    assert decide(chosen, jobs, 100_000, now_us=100_000)[1][0][0] == first
