"""A publisher and a subscriber that have found each other."""

from contextlib import contextmanager

from superinfer.observe.events import Aborted
from superinfer.observe.publisher import EventPublisher
from superinfer.observe.subscribe import Subscriber

ANYWHERE = "tcp://127.0.0.1:*"
HELLO = Aborted(0, "hello")


@contextmanager
def wire(**options):
    """A publisher with one subscriber, whose connection is up and silent."""
    publisher = EventPublisher(ANYWHERE, flush_ms=1, **options)
    with Subscriber(publisher.endpoint, waiting_batches=options.get("watcher_batches", 1_000)) as subscriber:
        for _ in range(500):
            publisher.emit(HELLO)
            if next(subscriber.receive(0.02), None):
                break
        while any(delivery.batch.events for delivery in subscriber.receive(0.2)):
            pass
        try:
            yield publisher, subscriber
        finally:
            publisher.close()


def events_of(deliveries):
    return [event for delivery in deliveries for event in delivery.batch.events if event != HELLO]
