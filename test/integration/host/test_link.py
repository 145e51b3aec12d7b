"""The link between the pools of the CPU platform: layers arrive in order, and failures reach whoever waits."""

import threading
from types import SimpleNamespace

import pytest

from superinfer.srt.host.link import ATTEMPTS, HostLoadError, LinkedLayers, LinkedTransfers

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


def begin(pool):
    layers = LinkedLayers(LAYERS)
    engine = LinkedTransfers("direct", 10**9, lambda: layers)
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


def test_events_can_be_used_again():
    pool = Pool()
    pool.may_go.release(10)
    layers, completion = begin(pool)
    completion.finish_event.synchronize()
    layers.start_event.record()
    assert not layers.finish_event.query()
