"""The link between the pools of the CPU platform: layers arrive in order, and failures reach whoever waits."""

import threading
from types import SimpleNamespace

import pytest

from superinfer.srt.host.link import ATTEMPTS, HostLoadError, LinkedLayers, LinkedTransfers, TooSlowError

pytestmark = pytest.mark.integration

LAYERS = 3


class Pool:
    """A host pool whose copies wait for the test, and fail as often as it says."""

    size_per_token, layer_num = LAYERS, LAYERS

    def __init__(self, failures=0):
        self.failures, self.copied, self.may_go = failures, [], threading.Semaphore(0)

    def load_to_device_per_layer(self, device_pool, host_indices, device_indices, layer_id, io_backend):
        assert self.may_go.acquire(timeout=30)
        if self.failures:
            self.failures -= 1
            raise OSError("no such page")
        self.copied.append(layer_id)

    def backup_from_device_all_layer(self, device_pool, host_indices, device_indices, io_backend):
        self.load_to_device_per_layer(device_pool, host_indices, device_indices, None, io_backend)


def begin(pool, bytes_per_s=10**9, recovers=False):
    engine = LinkedTransfers("direct", bytes_per_s, lambda: layers)
    engine.recovers = recovers
    layers = LinkedLayers(LAYERS, engine.give_up)
    layers.start_event.record()
    transfer = SimpleNamespace(host_pool=pool, device_pool=None, host_indices=[0, 1], device_indices=[2, 3])
    return layers, engine.submit_host_to_device([transfer], transfer_layer_id_max=LAYERS)


def test_layers_arrive_one_after_the_other():
    pool = Pool()
    layers, completion = begin(pool)
    assert not any(event.query() for event in layers.load_events)
    pool.may_go.release()
    layers.wait(0)
    assert not layers.load_events[1].query()
    assert not completion.finish_event.query()
    pool.may_go.release(2)
    completion.finish_event.synchronize()
    assert pool.copied == [0, 1, 2]
    assert layers.finish_event.query()


def test_a_copy_that_fails_is_tried_again():
    pool = Pool(failures=ATTEMPTS - 1)
    pool.may_go.release(10)
    layers, completion = begin(pool)
    completion.finish_event.synchronize()
    layers.wait(LAYERS - 1)
    assert pool.copied == [0, 1, 2]


def test_a_load_that_fails_is_an_error_for_whoever_waits():
    pool = Pool(failures=1 << 30)
    pool.may_go.release(10)
    layers, completion = begin(pool)
    with pytest.raises(HostLoadError, match="no such page"):
        layers.wait(0)
    with pytest.raises(HostLoadError, match="no such page"):
        completion.finish_event.synchronize()


def test_a_load_that_fails_is_no_error_where_somebody_sees_to_it():
    pool = Pool(failures=1 << 30)
    pool.may_go.release(10)
    layers, completion = begin(pool, recovers=True)
    layers.wait(LAYERS - 1)
    completion.finish_event.synchronize()
    assert str(completion.finish_event.failure) == "no such page"


def test_a_load_that_takes_too_long_is_given_up():
    pool = Pool()
    pool.may_go.release(10)
    layers, completion = begin(pool, bytes_per_s=1, recovers=True)  # two seconds a layer
    layers.deadline_s = 0.0
    layers.wait(LAYERS - 1)
    completion.finish_event.synchronize()
    assert isinstance(completion.finish_event.failure, TooSlowError)
    assert pool.copied == [0]


@pytest.mark.parametrize("failures", [ATTEMPTS - 1, ATTEMPTS])
def test_copies_to_the_host_are_tried_again(failures):
    pool = Pool(failures)
    pool.may_go.release(10)
    engine = LinkedTransfers("direct", 0, lambda: None)
    transfer = SimpleNamespace(host_pool=pool, device_pool=None, host_indices=[0], device_indices=[2])
    if failures == ATTEMPTS:
        with pytest.raises(OSError, match="no such page"):
            engine.submit_device_to_host([transfer])
        pool.failures, engine.recovers = failures, True
    event = engine.submit_device_to_host([transfer]).finish_event
    assert event.query()
    assert (event.failure is None) is (failures < ATTEMPTS)


def test_events_can_be_used_again():
    pool = Pool()
    pool.may_go.release(10)
    layers, completion = begin(pool)
    completion.finish_event.synchronize()
    layers.start_event.record()
    assert not layers.finish_event.query()
