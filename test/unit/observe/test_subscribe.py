import time

import msgspec
import pytest
import zmq

from superinfer.observe import publisher
from superinfer.observe.errors import ObserveError
from superinfer.observe.events import EventBatch
from superinfer.observe.publisher import TOPIC, EventPublisher
from superinfer.observe.subscribe import Subscriber
from unit.observe.wires import ANYWHERE

pytestmark = pytest.mark.unit


@pytest.fixture
def strange():
    """A bare PUB socket: it may send anything."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.bind(ANYWHERE)
        yield socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


def connected(socket, subscriber):
    """Send batches until one is received."""
    for _ in range(100):
        socket.send_multipart([TOPIC, msgspec.msgpack.encode(EventBatch(0, 0, []))])
        if list(subscriber.receive(0.05)):
            return


def test_it_waits_for_a_publisher_no_longer_than_asked():
    with Subscriber("tcp://127.0.0.1:9") as subscriber:
        started_s = time.monotonic()
        assert list(subscriber.receive(0.2)) == []
        assert 0.15 < time.monotonic() - started_s < 2


def test_it_stops_in_time_although_batches_keep_coming(strange):
    socket, endpoint = strange
    with Subscriber(endpoint) as subscriber:
        connected(socket, subscriber)
        for _ in range(1_000):
            socket.send_multipart([TOPIC, msgspec.msgpack.encode(EventBatch(0, 0, []))])
        time.sleep(0.1)
        assert len(list(subscriber.receive(0))) <= 1


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"seq": 1, "events": "x"})])
def test_what_is_no_batch_is_an_error_that_names_the_endpoint(strange, payload):
    socket, endpoint = strange
    with Subscriber(endpoint) as subscriber:
        connected(socket, subscriber)
        socket.send_multipart([TOPIC, payload])
        with pytest.raises(ObserveError, match=f"{endpoint} sent what is no batch of events"):
            list(subscriber.receive(1))


def test_other_topics_are_not_read(strange):
    socket, endpoint = strange
    with Subscriber(endpoint) as subscriber:
        connected(socket, subscriber)
        list(subscriber.receive(0.1))
        socket.send_multipart([b"kv-events", b"\xc1"])
        assert list(subscriber.receive(0.2)) == []


@pytest.mark.parametrize("endpoint", ["nowhere", "tcp://127.0.0.1", "carrier://pigeon"])
def test_no_address_is_an_error_that_names_it(endpoint):
    with pytest.raises(ObserveError, match=f"cannot be read from {endpoint}"):
        Subscriber(endpoint)


def test_a_restart_of_the_publisher_is_noticed(monkeypatch):
    monkeypatch.setattr(publisher, "HEARTBEAT_S", 0.02)
    first = EventPublisher(ANYWHERE, flush_ms=1)
    with Subscriber(first.endpoint) as subscriber:
        assert len(list(subscriber.receive(1))) > 3
        first.close()
        second = EventPublisher(first.endpoint, flush_ms=1)
        restarts = [delivery.gap.restarted for delivery in subscriber.receive(1) if delivery.gap]
        second.close()
    assert restarts == [True]
