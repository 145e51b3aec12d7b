"""What is loaded ahead, for whom it is held, and until when; on a tree that only counts."""

from array import array
from types import SimpleNamespace

import pytest

from superinfer.sched.step_time import StepTime
from superinfer.srt.host.memory import PlainMemory
from superinfer.srt.host.tier import HostTier
from unit.sched.jobs import CHAT, job

pytestmark = pytest.mark.unit

POOL_TOKENS, TOKEN_BYTES = 1000, 10


class Req(SimpleNamespace):
    __hash__ = object.__hash__


class Tree:
    """As much of SGLang's tree as the tier uses. A load is under way until ``land``; held KV cannot be evicted."""

    load_back_threshold = 10

    def __init__(self):
        pool = SimpleNamespace(size=500, size_per_token=TOKEN_BYTES, available_size=lambda: 300)
        self.ongoing_load_back, self.ongoing_write_through = {}, {}
        self.locked, self.free, self.refuses, self.checked = [], POOL_TOKENS, False, 0
        self.cache_controller = SimpleNamespace(
            mem_pool_host=SimpleNamespace(anchor_entry=SimpleNamespace(host_pool=pool)),
            layer_done_counter=SimpleNamespace(producer_index=2),
            ack_load_queue=[],
            load_queue=[],
            write_queue=[],
            start_writing=lambda: None,
            start_loading=lambda: 2,
        )

    def available_size(self):
        return 0

    def evictable_size(self):
        return self.free - sum(tokens for _, tokens in self.locked)

    def load_back(self, node):
        if not self.refuses:
            self.ongoing_load_back[node] = None
            self.cache_controller.load_queue.append(SimpleNamespace(device_indices=[0] * node[1]))
        return not self.refuses

    def ready_to_load_host_cache(self):
        index = self.cache_controller.start_loading()
        self.cache_controller.load_queue.clear()
        return index

    def lock(self, node):
        self.locked.append(node)
        return node

    def unlock(self, node):
        self.locked.remove(node)

    def land(self):
        self.ongoing_load_back.clear()

    def check_hicache_events(self):
        self.checked += 1
        self.land()


class World:
    """A tier and the requests that wait."""

    def __init__(self, rate=None):
        self.tree, self.step_time = Tree(), StepTime()
        self.tier = HostTier(self.tree, PlainMemory(self.tree, self.tree), self.step_time, POOL_TOKENS, rate)
        self.reqs, self.jobs, self.matched = {}, [], []

    def wait(self, seq, host_tokens=100, on_device=20, slo=CHAT):
        ids = array("q", [seq] * (on_device + host_tokens + 30))
        req = Req(
            rid=seq, prefix_len=on_device, host_hit_length=host_tokens, best_match_node=(seq, host_tokens),
            origin_input_ids=ids, output_ids=array("q"), extra_key=None,
        )  # fmt: skip
        waiting = job(seq, slo, prompt=len(ids), computed=on_device, host_tokens=host_tokens)
        self.reqs[seq], self.jobs = req, [*self.jobs, waiting]
        return req

    def ahead(self, now_us=0, reserved=0):
        self.tier.ahead(now_us, self.jobs, lambda one: self.reqs[one.state.seq], self.matched.extend, reserved)
        return dict(self.tree.locked)

    def land(self, now_us=0):
        self.tree.land()
        self.tier.begin_pass(now_us, self.reqs.values())


@pytest.fixture
def world():
    return World()


def test_one_load_at_a_time_in_order(world):
    world.wait(1), world.wait(2)
    assert world.ahead() == {1: 100}
    assert world.matched == [world.reqs[1]]  # looked up again before it is loaded
    assert world.ahead() == {1: 100}
    world.land()
    assert world.ahead() == {1: 100}  # still the first, but it is held already
    world.jobs[0].host_tokens = 0  # as the next match finds
    assert world.ahead() == {1: 100, 2: 100}


def test_what_is_held_ends_with_admission_and_is_a_hit(world):
    first = world.wait(1)
    world.ahead()
    world.land()
    first.prefix_len = 120
    world.tier.admitted([first])
    assert world.tree.locked == []
    assert world.tier.state()["prefetch_hits_tokens"] == world.tier.state()["loaded_tokens"] == 100


def test_what_is_held_ends_when_nobody_waits_for_it(world):
    world.wait(1)
    world.ahead()
    world.reqs.clear()
    world.tier.begin_pass(0, [])
    assert world.tree.locked == []
    assert world.tier.state()["prefetch_hits_tokens"] == 0


def test_no_more_than_a_quarter_of_the_pool_and_what_is_left(world):
    world.wait(1, host_tokens=300)
    assert world.ahead() == {}
    world.wait(2, host_tokens=200)
    assert world.ahead(reserved=801) == {}
    assert world.ahead(reserved=800) == {2: 200}


def test_a_refused_load_holds_nothing(world):
    world.wait(1)
    world.tree.refuses = True
    assert world.ahead() == {}
    assert len(world.tier.flight) == 0


def test_a_prefix_that_is_gone_by_the_second_look(world):
    req = world.wait(1)
    world.matched = SimpleNamespace(extend=lambda reqs: setattr(req, "host_hit_length", 0))
    assert world.ahead() == {}


def test_a_budget_of_bytes():
    nothing = World(rate=0)
    nothing.wait(1)
    assert nothing.ahead(now_us=10_000_000) == {}
    slow = World(rate=50 * TOKEN_BYTES)  # 50 tokens a second
    slow.wait(1), slow.wait(2)
    assert slow.ahead() == {1: 100}
    slow.land()
    slow.jobs[0].host_tokens = 0
    assert slow.ahead(now_us=900_000) == {1: 100}
    assert slow.ahead(now_us=1_100_000) == {1: 100, 2: 100}


def test_memory_for_those_who_come_first_is_taken_from_the_last(world):
    first, second = world.wait(1), world.wait(2)
    world.ahead()
    world.land()
    world.jobs[0].host_tokens = 0
    world.ahead()
    assert world.tier.spare_tokens() == 200
    assert dict(world.tree.locked) == {1: 100, 2: 100}
    world.tier.make_way(800, [second])
    assert dict(world.tree.locked) == {1: 100, 2: 100}
    world.tier.make_way(850, [second])
    assert dict(world.tree.locked) == {2: 100}
    world.tier.make_way(901, [second, first])
    assert world.tree.locked == []


def test_the_time_of_a_load_is_learnt(world):
    world.wait(1)
    world.ahead(now_us=1000)
    world.tier.begin_pass(2000, world.reqs.values())
    assert world.step_time.loads.us(100) == 0
    world.land(now_us=51_000)
    assert world.step_time.loads.us(100) == 50_000


def batch(*reqs, own=-1, beside=None, extends=True):
    mode = SimpleNamespace(is_extend=lambda: extends)
    everybody = [*reqs, *(beside or [])]
    return SimpleNamespace(forward_mode=mode, reqs=everybody, decoding_reqs=beside, hicache_consumer_index=own)


def reader(ids, prefix_len, namespace=None):
    return Req(origin_input_ids=array("q", ids), output_ids=array("q"), prefix_len=prefix_len, extra_key=namespace)


def test_who_comes_in_with_a_prefix_on_its_way_waits(world):
    world.wait(1)  # tokens 20 to 120 of a prompt of ones
    world.ahead()
    wait_index = world.tier.flight.wait_index
    follower = reader([1] * 200, prefix_len=120)
    assert wait_index(batch(follower)) == 2
    assert wait_index(batch(reader([1] * 200, prefix_len=21))) == 2
    assert wait_index(batch(reader([1] * 200, prefix_len=20))) == -1  # ends where the load begins
    assert wait_index(batch(reader([1] * 20 + [7] * 180, prefix_len=120))) == -1  # another prompt
    assert wait_index(batch(reader([1] * 200, prefix_len=120, namespace="other"))) == -1
    assert wait_index(batch(beside=[follower])) == -1  # has its first step behind it
    assert wait_index(batch(follower, own=1)) == 1
    assert wait_index(batch(follower, own=1, extends=False)) == -1
    world.land()
    assert wait_index(batch(follower)) == -1


def test_a_drain_waits_and_holds_nothing(world):
    world.wait(1)
    world.ahead()
    waited = []
    world.tree.cache_controller.ack_load_queue.append(
        SimpleNamespace(finish_event=SimpleNamespace(synchronize=lambda: waited.append(1)))
    )
    world.tier.drain()
    assert waited == [1]
    assert world.tree.checked == 1
    assert (world.tree.locked, len(world.tier.flight)) == ([], 0)


def test_what_is_still_being_copied_counts_as_free(world):
    tree = world.tree
    tree.protected_size = lambda: 0 if not tree.ongoing_write_through else 60
    tree.flush_pending_backups = lambda: None
    tree.writing_check = lambda: None
    world.tier.parked(lambda: tree.ongoing_write_through.update({"a": None, "b": None}))
    assert world.tier.spare_tokens() == 60
    del tree.ongoing_write_through["a"]
    world.tier.begin_pass(0, [])
    assert world.tier.spare_tokens() == 30
