import time
from itertools import pairwise
from timeit import repeat

import pytest

from superinfer.observe import publisher as module
from superinfer.observe.errors import ObserveError
from superinfer.observe.events import Aborted, Admitted, Rejected
from superinfer.observe.publisher import EventPublisher, NullPublisher
from superinfer.observe.subscribe import Subscriber
from unit.observe.histories import STORY
from unit.observe.wires import ANYWHERE, events_of, wire

pytestmark = pytest.mark.unit


def numbered(count):
    return [Aborted(number, "r") for number in range(1, count + 1)]


@pytest.fixture
def stalled(monkeypatch):
    """A publisher whose thread sends nothing before it is closed, connected to a subscriber."""
    monkeypatch.setattr(module, "HEARTBEAT_S", 1e9)
    publisher = EventPublisher(ANYWHERE, capacity=100, flush_ms=10**6)
    with Subscriber(publisher.endpoint) as subscriber:
        assert not list(subscriber.receive(0.3))  # time for the connection
        yield publisher, subscriber
        publisher.close()


def test_events_arrive_as_they_were_and_in_order():
    with wire() as (publisher, subscriber):
        for event in STORY:
            publisher.emit(event)
        assert events_of(subscriber.receive(0.5)) == list(STORY)
        assert publisher.dropped == 0


def test_more_events_than_fit_into_a_batch_are_several():
    events = numbered(5_000)
    with wire() as (publisher, subscriber):
        for event in events:
            publisher.emit(event)
        deliveries = list(subscriber.receive(1))
    assert events_of(deliveries) == events
    assert max(len(delivery.batch.events) for delivery in deliveries) <= 512
    assert not any(delivery.gap for delivery in deliveries)


def test_what_was_emitted_before_the_end_is_sent(stalled):
    publisher, subscriber = stalled
    publisher.emit(STORY[0])
    publisher.close()
    assert events_of(subscriber.receive(0.5)) == [STORY[0]]


def test_a_full_queue_loses_its_oldest_events_and_counts_them(stalled):
    publisher, subscriber = stalled
    events = numbered(130)
    for event in events:
        publisher.emit(event)
    assert publisher.dropped == 30
    publisher.close()
    (delivery,) = subscriber.receive(0.5)
    assert delivery.batch.events == events[30:]
    assert delivery.batch.dropped == 30


def test_every_event_is_sent_or_counted_while_both_threads_work():
    total = 100_000
    with wire(capacity=50, watcher_batches=100_000) as (publisher, subscriber):
        hellos = publisher.dropped
        for event in numbered(total):
            publisher.emit(event)
        publisher.close()
        deliveries = list(subscriber.receive(3))
    received = events_of(deliveries)
    assert not any(delivery.gap and delivery.gap.batches for delivery in deliveries)
    assert len(received) + publisher.dropped - hellos == total
    assert all(one.at_us < next_.at_us for one, next_ in pairwise(received))


def test_a_slow_watcher_holds_nobody_up_and_sees_where_it_missed_something():
    total, large = 5_000, "x" * 20_000
    longest_s = 0.0
    with wire(watcher_batches=2, capacity=total) as (publisher, subscriber):
        for number in range(total):
            started_s = time.perf_counter()
            publisher.emit(Rejected(number, "r", large))
            longest_s = max(longest_s, time.perf_counter() - started_s)
            if number % 10 == 0:
                time.sleep(0.0005)  # so that there are many batches
        deliveries = list(subscriber.receive(2))
    assert publisher.dropped == 0
    assert longest_s < 1
    assert 0 < len(events_of(deliveries)) < total
    whole = [delivery for delivery in deliveries if delivery.batch.events]
    gaps = {delivery.batch.seq for delivery in deliveries if delivery.gap}
    for one, next_ in pairwise(whole):
        seen = any(one.batch.seq < seq <= next_.batch.seq for seq in gaps)
        assert seen == (next_.batch.events[0].at_us != one.batch.events[-1].at_us + 1)
    assert gaps


def test_silence_is_broken_by_heartbeats(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    with wire() as (_, subscriber):
        deliveries = list(subscriber.receive(0.5))
    assert len(deliveries) >= 3
    assert events_of(deliveries) == []


def test_nobody_has_to_listen():
    publisher = EventPublisher(ANYWHERE, flush_ms=1)
    for event in STORY:
        publisher.emit(event)
    publisher.close()
    publisher.close()
    assert publisher.dropped == 0


def test_a_wildcard_port_is_filled_in():
    publisher = EventPublisher(ANYWHERE)
    assert int(publisher.endpoint.rpartition(":")[2]) > 0
    publisher.close()


def test_a_taken_address_is_an_error_that_names_it():
    publisher = EventPublisher(ANYWHERE)
    with pytest.raises(ObserveError, match=f"cannot be published on {publisher.endpoint}: Address already in use"):
        EventPublisher(publisher.endpoint)
    publisher.close()


@pytest.mark.parametrize("endpoint", ["nowhere", "tcp://", "carrier://pigeon", "tcp://127.0.0.1:port"])
def test_no_address_is_an_error_that_names_it(endpoint):
    with pytest.raises(ObserveError, match=endpoint):
        EventPublisher(endpoint)


def test_the_null_publisher_takes_everything():
    publisher = NullPublisher()
    for event in STORY:
        publisher.emit(event)
    publisher.close()


def test_an_event_costs_the_scheduler_next_to_nothing():
    with wire(watcher_batches=10) as (publisher, _):
        seconds = repeat(lambda: publisher.emit(Admitted(1, "request", 0, 1_000)), number=5_000, repeat=7)
    assert min(seconds) / 5_000 < 5e-6
