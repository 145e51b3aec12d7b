import msgspec
import pytest

from superinfer.srt import clock
from superinfer.srt.clock import Tick, TickClock

pytestmark = pytest.mark.unit


@pytest.fixture
def time_us(monkeypatch):
    """Stands still unless a test moves it."""
    now = [5_000_000]
    monkeypatch.setattr(clock, "read_us", lambda: now[0])
    return now


def test_a_rank_that_decides_alone_reads_the_time_once_in_a_pass(time_us):
    alone = TickClock(shared=False)
    assert alone.poll() == []
    time_us[0] += 1000
    assert alone.now_us == 5_000_000


def test_ranks_that_decide_together_take_the_time_from_the_broadcast(time_us):
    first, other = TickClock(shared=True), TickClock(shared=True)
    (tick,) = first.poll()
    assert first.now_us == 0
    time_us[0] += 1000
    for rank in (first, other):
        rank.advance(msgspec.msgpack.decode(msgspec.msgpack.encode(tick), type=Tick))
    assert first.now_us == other.now_us == 5_000_000


@pytest.mark.parametrize(
    ("several_hosts", "taken_in_us", "arrival_us"), [(False, 4, 4), (False, None, 7), (True, 4, 7)]
)
@pytest.mark.parametrize("shared", [False, True])
def test_arrival_is_when_the_server_took_it_in_if_its_clock_is_ours(shared, several_hosts, taken_in_us, arrival_us):
    assert TickClock(shared, 7, several_hosts).arrival_us(taken_in_us) == arrival_us


def test_time_is_in_microseconds_and_does_not_run_backwards():
    first = clock.read_us()
    assert isinstance(first, int)
    assert clock.read_us() >= first
