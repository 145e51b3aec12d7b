import pytest

from superinfer.sched.job import Phase
from superinfer.sched.step_time import StepTime
from superinfer.sim.baselines.sglang import MATCHED_QUEUE, longest_prefix, output_reserve
from unit.sched.jobs import job
from unit.sim.simulated import BATCH, Arrival, engine_of

pytestmark = pytest.mark.unit


def order(jobs):
    return [made.state.seq for made in longest_prefix(jobs, 0, StepTime())]


def test_the_longest_match_is_first_and_arrival_decides_among_equals():
    jobs = [job(0), job(1, computed=512), job(2, computed=1024), job(3, computed=512)]
    assert order(jobs) == [2, 1, 3, 0]


def test_of_those_that_begin_alike_the_first_leads_and_the_others_go_last():
    jobs = [job(0, prefix=(1, 2)), job(1, prefix=(1, 3)), job(2, prefix=(4,)), job(3)]
    assert order(jobs) == [0, 2, 3, 1]


def test_a_long_queue_is_served_by_arrival():
    jobs = [job(seq, computed=512 * (seq % 2)) for seq in range(MATCHED_QUEUE + 1)]
    assert order(jobs) == list(range(MATCHED_QUEUE + 1))
    assert order(jobs[1:])[0] == 1
    assert order(jobs[1:])[MATCHED_QUEUE // 2] == 2


def test_it_finds_more_in_the_cache_than_first_come_first_served():
    """Two conversations whose turns alternate, on a pool that holds the blocks of one."""
    load = [Arrival(0, 1500, 1, BATCH, prefix=(2000, 2001, 2002))]
    load += [Arrival(1 + n, 1500, 1, BATCH, prefix=(n % 2 * 10, n % 2 * 10 + 1, 100 + n)) for n in range(12)]
    matched, by_arrival = engine_of("lpm"), engine_of("fcfs")
    matched.run(load)
    by_arrival.run(load)
    assert matched.totals.cached_tokens == 10 * 1024
    assert by_arrival.totals.cached_tokens == 0


def test_a_newcomer_must_find_room_for_its_whole_answer_and_a_stream_for_a_part():
    assert output_reserve(job(0)) == 255
    assert 0 < output_reserve(job(0, phase=Phase.RUNNING)) < 32
