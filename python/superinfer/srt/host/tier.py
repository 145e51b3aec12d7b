"""The scheduler's view of the host tier: what is there, what comes back ahead, and who holds what came back."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from superinfer.sched.job import Job
from superinfer.sched.prefetch import Bandwidth, choose
from superinfer.sched.step_time import StepTime
from superinfer.srt.host.counts import Counts
from superinfer.srt.host.flight import Flight, Load
from superinfer.srt.host.memory import Memory
from superinfer.srt.host.recovery import Recovery

HELD_SHARE = 0.25
"""Part of the device's pool that may be held for requests that are not admitted yet."""

CANDIDATES = 4
"""Of the requests whose KV could be loaded, those that are looked at in a pass until there is room for one."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A prefix that was loaded ahead and must not go before its request is admitted."""

    lock: Any
    node: Any
    tokens: int


class HostTier:
    """Brings KV back before the requests that need it are admitted.

    Every load ahead has a hold, which ends when its request is admitted or gone, or when the memory is needed for
    somebody who comes first.

    Args:
        tree_cache: SGLang's, with a host tier.
        memory: Of the device and the host.
        step_time: Learns how long loads take.
        kv_tokens: Size of the device's pool.
        prefetch_rate: Bytes per second that may be loaded ahead; ``None`` sets no limit, 0 loads nothing ahead.
    """

    def __init__(
        self, tree_cache: Any, memory: Memory, step_time: StepTime, kv_tokens: int, prefetch_rate: int | None
    ) -> None:
        self._tree = tree_cache
        self._memory = memory
        self._step_time = step_time
        self._at_most = int(kv_tokens * HELD_SHARE)
        self._bandwidth = Bandwidth(None if prefetch_rate is None else prefetch_rate / memory.token_bytes)
        self._holds: dict[Any, Hold] = {}
        self._parked: dict[Any, int] = {}
        self.flight = Flight(tree_cache)
        self.counts = Counts(tree_cache.cache_controller)
        self.recovery = Recovery.of(tree_cache)

    @property
    def used_bytes(self) -> int:
        """Host memory with KV in it."""
        return self._memory.used_bytes()

    def state(self) -> dict[str, Any]:
        """For ``/superinfer/state``: sizes, tokens moved since the start, and what is under way."""
        return {
            "size_bytes": self._memory.size_bytes,
            "used_bytes": self.used_bytes,
            **self._memory.state(),
            **self.counts.as_dict(),
            **(self.recovery.as_dict() if self.recovery else {}),
            "on_their_way": len(self.flight),
            "held_for": len(self._holds),
            "load_token_us": round(self._step_time.loads.us_per_token, 3),
        }

    def moved_tokens(self) -> dict[str, int]:
        """Tokens since the start, as the metrics name what was done with them."""
        return self.counts.by_what() | (self.recovery.by_what() if self.recovery else {})

    def begin_pass(self, now_us: int, waiting: Collection[Any]) -> None:
        """What has arrived is known as such, and nothing is held for whoever does not wait any more."""
        arrived = self.flight.arrived()
        if self.recovery and arrived:
            arrived = self._without_lost(arrived, self.recovery)
        for load in arrived:
            self._step_time.loads.observe(load.weight, now_us - load.started_us)
        if self._holds:
            present = set(waiting)
            for req in [req for req in self._holds if req not in present]:  # in one order on all ranks
                self.let_go(req)
        pending = self._tree.ongoing_write_through
        self._parked = {node: tokens for node, tokens in self._parked.items() if node in pending}

    def spare_tokens(self) -> int:
        """KV that cannot be evicted now and could if it were needed: held for later, or still being copied."""
        if not self._holds:
            return sum(self._parked.values())
        before = self._memory.free_tokens()
        for hold in self._holds.values():
            self._tree.unlock(hold.lock)
        without = self._memory.free_tokens()
        for req, hold in self._holds.items():
            self._holds[req] = Hold(self._tree.lock(hold.node), hold.node, hold.tokens)
        return int(without - before) + sum(self._parked.values())

    def make_way(self, needed_tokens: int, first: Collection[Any]) -> None:
        """Let go of what is held until there is room; what is held for those who come ``first`` goes last."""
        later = [req for req in reversed(self._holds) if req not in first]
        for req in [*later, *(req for req in reversed(self._holds) if req in first)]:
            if self._memory.free_tokens() >= needed_tokens:
                return
            self.let_go(req)

    def parked(self, park: Callable[[], None]) -> None:
        """Run ``park``, which puts KV into the tree; where it is copied to the host, it can be evicted once it is.

        Where copies are done at once, so are these; elsewhere the next passes count on it.
        """
        before = set(self._tree.ongoing_write_through)
        protected = self._tree.protected_size()
        park()
        self._tree.flush_pending_backups()
        self._tree.writing_check()
        new = [node for node in self._tree.ongoing_write_through if node not in before]
        if new:
            still = max(int(self._tree.protected_size() - protected), 0)
            self._parked.update(dict.fromkeys(new, still // len(new)))

    def admitted(self, reqs: Iterable[Any]) -> None:
        """These are in the engine, and hold their prefixes themselves."""
        for req in reqs:
            hold = self._holds.get(req)
            self.counts.admitted(req, 0 if hold is None else hold.tokens)
            self.let_go(req)

    def let_go(self, req: Any) -> None:
        """Hold nothing for ``req`` any more."""
        hold = self._holds.pop(req, None)
        if hold is not None:
            self._tree.unlock(hold.lock)

    def let_all_go(self) -> None:
        """Hold nothing for anybody."""
        for req in list(self._holds):
            self.let_go(req)

    def ahead(
        self,
        now_us: int,
        jobs: Iterable[Job],
        req_of: Callable[[Job], Any],
        look_up: Callable[[list[Any]], None],
        reserved_tokens: int,
    ) -> None:
        """Begin the load that is worth most now, if there may be one.

        Args:
            now_us: The tick.
            jobs: Of those who wait, as matched in this pass.
            req_of: Their requests.
            look_up: Looks their prefixes up again: the admission may have changed the tree.
            reserved_tokens: Memory to leave to those who run.
        """
        if self.flight or self._tree.cache_controller.ack_load_queue or not self._bandwidth.allows(now_us):
            return
        held = sum(hold.tokens for hold in self._holds.values())
        room = min(self._memory.room_tokens(reserved_tokens), self._at_most - held)
        left = list(jobs)
        for _ in range(CANDIDATES):
            chosen = choose(left, now_us, self._step_time, room, self._tree.load_back_threshold)
            if chosen is None:
                return
            req = req_of(chosen.job)
            if self._memory.fits(req, reserved_tokens):
                break
            left.remove(chosen.job)
        else:
            return
        look_up([req])
        found = self._tree.load_back_threshold <= req.host_hit_length <= room
        if found and req not in self._holds and self._memory.fits(req, reserved_tokens):
            self._load(req, now_us)

    def drain(self) -> None:
        """Let everything arrive and hold nothing: the pools are about to be emptied."""
        self.flight.wait()
        self.flight.arrived()
        self.let_all_go()
        self._parked.clear()

    def _without_lost(self, loads: list[Load], recovery: Recovery) -> list[Load]:
        """Those of these loads that have arrived whole; what the others were to bring leaves the tree."""
        lost = recovery.ended(loads)
        if lost:
            self.let_all_go()
        for load in lost:
            recovery.drop(load.node, load.start)
        return [load for load in loads if load not in lost]

    def _load(self, req: Any, now_us: int) -> None:
        node, start, tokens = req.best_match_node, req.prefix_len, req.host_hit_length
        weight = self._memory.weight(req)
        if not self._tree.load_back(node):
            return  # no room after all: it is loaded or computed when its turn comes
        self._tree.ready_to_load_host_cache()
        ids = (req.origin_input_ids + req.output_ids)[: start + tokens]
        ack = next(reversed(self._tree.cache_controller.ack_load_queue), None)
        self.flight.begin(Load(node, req.extra_key, ids, start, now_us, weight, ack))
        self._holds[req] = Hold(self._tree.lock(node), node, tokens)
        self._bandwidth.spend(weight)
        self.counts.prefetched += tokens
