import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.prefetch import LEAST_PATIENCE_US, Bandwidth, choose, patience_us
from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.slo import SLO
from unit.sched.jobs import BATCH, CHAT, job, known_machine

pytestmark = pytest.mark.unit

NOW_US = 500_000
LONG = SLO(cls="interactive", ttft_ms=5000)
JOBS = st.builds(
    lambda seq, slo, host, prompt, arrival_us, phase, generated: job(
        seq, slo, prompt=prompt, arrival_us=arrival_us, host_tokens=host, phase=phase, generated=generated
    ),
    seq=st.integers(0, 1000),
    slo=st.sampled_from([BATCH, CHAT, LONG]),
    host=st.integers(0, 3000),
    prompt=st.integers(1, 3000),
    arrival_us=st.integers(0, NOW_US),
    phase=st.sampled_from(list(Phase)),
    generated=st.sampled_from([0, 5]),
)


def chosen(*jobs, room=10_000, least=1):
    found = choose(jobs, NOW_US, known_machine(), room, least)
    return None if found is None else (found.job.state.seq, found.tokens)


def on_host(seq, slo=BATCH, host=200, **fields):
    return job(seq, slo, prompt=fields.pop("prompt", 300), host_tokens=host, **fields)


def test_the_least_slack_goes_first():
    relaxed, urgent = on_host(1, LONG), on_host(2, CHAT)
    assert chosen(relaxed, urgent) == (2, 200)


def test_who_owes_nothing_goes_last_by_class_and_wait():
    late = on_host(1, CHAT, arrival_us=-10_000_000)
    waits, waits_longer = on_host(2, waiting_since_us=400), on_host(3, waiting_since_us=300)
    assert chosen(waits, waits_longer) == (3, 200)
    assert chosen(waits, waits_longer, late) == (1, 200)  # late, but of a more important class
    assert chosen(waits, late, on_host(4, CHAT)) == (4, 200)


def test_slack_counts_the_load():
    slow = known_machine()
    slow.loads.observe(1000, 4_000_000)
    short, long = on_host(1, CHAT, host=64, prompt=300), on_host(2, CHAT, host=290, prompt=300)
    assert choose([short, long], 0, known_machine(), 10_000).job is short  # more of it has to be computed
    assert choose([short, long], 0, slow, 10_000).job is short  # and the longer load is late in any case
    assert choose([long], 0, slow, 10_000).slack_us < 0 < choose([long], 0, known_machine(), 10_000).slack_us


def test_what_does_not_fit_is_passed():
    assert chosen(on_host(1, CHAT, host=290), on_host(2, LONG), room=250) == (2, 200)
    assert chosen(on_host(1, CHAT, host=9), on_host(2, LONG), least=10) == (2, 200)
    assert chosen(on_host(1, CHAT), room=199) is None


@given(
    jobs=st.lists(JOBS, max_size=20, unique_by=lambda one: one.state.seq),
    room=st.integers(0, 3000),
    least=st.integers(0, 100),
)
def test_only_what_waits_and_fits_and_no_order_of_arrival_at_the_function_matters(jobs, room, least):
    found = choose(jobs, NOW_US, known_machine(), room, least)
    again = choose(jobs[::-1], NOW_US, known_machine(), room, least)
    assert (found and found.job) is (again and again.job)
    able = [
        one for one in jobs
        if one.phase in (Phase.WAITING, Phase.PARKED) and max(least, 1) <= one.loading_tokens <= room
    ]  # fmt: skip
    assert (found is None) == (not able)
    if found:
        assert found.job in able
        assert found.tokens == min(found.job.host_tokens, found.job.missing_tokens)


def test_a_plan_loads_what_is_on_the_host_and_computes_the_rest():
    policy = RotationPolicy(RotationSettings(max_step_us=50_000))
    policy.step_time = known_machine()  # 200 us per prompt token, and four times as long steps where nothing is owed
    policy.step_time.loads.observe(1000, 20_000)
    fetched, computed = job(1, prompt=1000, host_tokens=900), job(2, prompt=1000)
    chunks = policy.decide(0, [fetched, computed], Pool(10_000, 0)).prefill
    assert [chunk.job for chunk in chunks] == [fetched, computed]
    assert (chunks[0].tokens, chunks[0].computed_tokens) == (1000, 100)
    assert 700 < chunks[1].tokens < 900  # 200 ms, less 18 for the load and 20 for what is computed of the first


def test_bandwidth_refills_with_time():
    bandwidth = Bandwidth(1000.0)
    assert bandwidth.allows(0)
    bandwidth.spend(3000)  # overdrawn
    assert not bandwidth.allows(1_900_000)
    assert bandwidth.allows(2_100_000)
    assert bandwidth.allows(60_000_000)
    bandwidth.spend(1000)  # no more than a second's worth was saved
    assert not bandwidth.allows(60_000_000)


def test_no_limit_and_nothing_at_all():
    unlimited = Bandwidth(None)
    unlimited.spend(1 << 40)
    assert unlimited.allows(0)
    assert not Bandwidth(0.0).allows(1_000_000)
    assert not Bandwidth(0.0).allows(9_000_000)


@given(
    rate=st.integers(1, 100_000),
    passes=st.lists(st.tuples(st.integers(0, 500_000), st.integers(1, 5000)), min_size=1, max_size=60),
)
def test_no_more_than_the_budget_and_one_load(rate, passes):
    bandwidth, now_us, spent, largest = Bandwidth(float(rate)), 0, 0, 0
    for after_us, tokens in passes:
        now_us += after_us
        if bandwidth.allows(now_us):
            bandwidth.spend(tokens)
            spent, largest = spent + tokens, max(largest, tokens)
    assert spent <= rate + rate * now_us / 1e6 + largest + 1


def patience(*jobs, tokens=1000, now_us=0):
    return patience_us(jobs, tokens, now_us, known_machine())


def test_a_step_waits_for_a_load_while_all_can_be_on_time_without_it():
    # 5 s are owed; computing 100 tokens takes 20 ms, and what is loaded 200 ms.
    assert patience(job(1, LONG)) == pytest.approx(4_780_000, rel=0.02)
    assert patience(job(1, LONG), job(2, LONG, arrival_us=-2_000_000), job(3, BATCH)) == pytest.approx(
        2_780_000, rel=0.02
    )


def test_it_waits_for_a_second_where_nobody_is_owed_anything_or_all_are_late():
    assert patience(job(1, BATCH)) == LEAST_PATIENCE_US
    assert patience(job(1, LONG), now_us=9_000_000) == LEAST_PATIENCE_US
    assert patience(job(1, CHAT)) == LEAST_PATIENCE_US  # 0.8 s are left
    assert patience() == LEAST_PATIENCE_US


def test_it_waits_at_least_as_long_as_computing_takes():
    assert patience(job(1, BATCH), tokens=20_000) == pytest.approx(4_000_000, rel=0.05)
