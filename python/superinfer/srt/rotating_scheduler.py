"""The scheduler in which requests take turns: it obeys the plans of the rotating policy."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sglang.srt.managers.io_struct import AbortReq
from sglang.srt.managers.scheduler import NextBatchPlan
from sglang.srt.runtime_context import get_parallel

from superinfer import config
from superinfer.observe.events import RotationReason
from superinfer.observe.publisher import EventPublisher
from superinfer.sched.forced import ForcedRotation
from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sched.tiers import Tiers
from superinfer.srt import parking, rejection, support
from superinfer.srt.cache.waiting import QueueClaims, is_ours
from superinfer.srt.clock import TickClock, read_us
from superinfer.srt.decision_log import DecisionLog
from superinfer.srt.events import EventFeed
from superinfer.srt.host.tier import HostTier
from superinfer.srt.jobs import JobBook
from superinfer.srt.kv.host_memory import host_memory
from superinfer.srt.kv.keeper import keeper_of
from superinfer.srt.ledger import Early
from superinfer.srt.planned_prefill import PlannedAdder, PlannedSchedulePolicy, reserve_growth_only
from superinfer.srt.recovering_scheduler import RecoveringScheduler
from superinfer.srt.rotation import GROWTH_TOKENS, Rotation


class RotatingScheduler(RecoveringScheduler):
    """Rotates requests through the radix tree: what is parked waits in the queue, its KV in the tree while it may.

    Attributes:
        rotation: The policy, and what its plan for this pass says.
        events: Publishes what happens, if the operator wants it to.
        decisions: Keeps what this rank decides, if the operator wants it to.
    """

    rotation: Rotation  # never None here
    chunked_req: Any

    def init_schedule_policy(self) -> None:
        """The waiting queue stands in the order of the plan."""
        super().init_schedule_policy()
        support.check_cache(self.tree_cache)
        policy = _policy(self.settings.rotation, self.chunked_prefill_size, self.step_time)
        self.kv = keeper_of(self)
        book = JobBook(policy, self.ledger, self._may_park, self.kv.elsewhere_tokens if self.kv else None)
        self.rotation = Rotation(policy, book, self.clock, self.page_size, rejects=self.settings.rotation.reject)
        self.ledger.on_close = self._closed
        self.meter.learn = self._learn
        self.events = _events(self.settings, book, self.clock, policy)
        folder = self.settings.observe.decisions
        self.decisions = None if folder is None else DecisionLog(folder, get_parallel().tp_rank)
        self.policy = PlannedSchedulePolicy(
            self.schedule_policy,
            self.tree_cache,
            self.enable_hierarchical_cache,
            self.enable_priority_scheduling,
            self.schedule_low_priority_values_first,
            admission=lambda: self.rotation.admission,
        )
        self._finishing: set[Any] = set()
        self.host_tier = self._host_tier() if self.enable_hierarchical_cache else None
        self._queue_claims = QueueClaims(self.tree_cache, book.has_run) if is_ours(self.tree_cache) else None
        reserve_growth_only()

    def _host_tier(self) -> HostTier:
        rate = self.settings.host.prefetch_rate
        memory = host_memory(self.tree_cache, self.token_to_kv_pool_allocator, self.kv)
        return HostTier(self.tree_cache, memory, self.step_time, self.max_total_num_tokens, rate)

    def _create_generation_req(self, recv_req: Any, *args: Any, **kwargs: Any) -> Any:
        req = super()._create_generation_req(recv_req, *args, **kwargs)
        self.rotation.book.job_of(req)
        if self.events:
            self.events.arrived(req)
        return req

    def _add_request_to_queue(self, req: Any, is_retracted: bool = False) -> None:
        """A request arrives, or SGLang itself takes it out: to pause, or because memory is short after all."""
        if self.rotation.book.is_inside(req):
            self.note_taken_out({req: "memory" if is_retracted else "paused"})
        super()._add_request_to_queue(req, is_retracted)

    def _abort_on_queued_limit(self, recv_req: Any) -> bool:
        """Only newcomers count towards a full queue, and only they are turned away."""
        has_run = self.rotation.book.has_run
        if self.max_queued_requests is None or has_run(recv_req):
            return False
        newcomers = sum(not has_run(req) for req in self.waiting_queue)
        return newcomers >= self.max_queued_requests and super()._abort_on_queued_limit(recv_req)

    def _poll_timeout_aborts(self) -> list[Any]:
        """SGLang's limit on waiting is for newcomers: who has begun to answer is not cut off."""
        items = super()._poll_timeout_aborts()
        if not any(isinstance(item, AbortReq) for item in items):
            return items
        parked = {req.rid for req in self.waiting_queue if self.rotation.book.has_run(req)}
        return [item for item in items if not (isinstance(item, AbortReq) and item.rid in parked)]

    def get_prefill_adder_class(self) -> Callable[..., PlannedAdder]:
        """One admission pass, limited to the plan."""
        return partial(PlannedAdder, admission=self.rotation.admission)

    def get_new_batch_prefill(self, running_batch: Any) -> NextBatchPlan:
        """Plan the next step, without those whose last one is void."""
        void = self.hold_void_back()
        plan = self._new_batch(running_batch)
        self.waiting_queue.extend(void)
        return plan

    def _new_batch(self, running_batch: Any) -> NextBatchPlan:
        """Take out who makes room, choose the prompts to compute, admit them."""
        if self.grammar_manager.has_waiting_grammars():
            for req in self.grammar_manager.get_ready_grammar_requests():
                self._add_request_to_queue(req)
        if self.host_tier:
            self.host_tier.begin_pass(self.clock.now_us, self.waiting_queue)
        if not (self.waiting_queue or running_batch.reqs or self.chunked_req):
            return super().get_new_batch_prefill(running_batch)
        if self.kv:
            self.kv.before_pass(self.clock.now_us, running_batch.reqs, self.chunked_req, self.waiting_queue)
        plan = NextBatchPlan(batch_to_run=None, running_batch=running_batch)
        if self._coasts(running_batch):
            return plan
        self._rotate(running_batch)
        growth_tokens = len(running_batch.reqs) * (GROWTH_TOKENS + self.page_size)
        if self.host_tier:
            self.host_tier.make_way(self.rotation.wanted_tokens() + growth_tokens, self.rotation.admission.order)
        if self.rotation.admission:
            running_batch.batch_is_full = False
            plan = self.admit(running_batch)
            self._note_admitted(plan.batch_to_run)
        if self.host_tier:
            if self.rotation.admission and plan.batch_to_run is None and not running_batch.reqs:
                # Nobody runs and nobody could come in: what was held as free is not, to who would read part of it.
                self.host_tier.let_all_go()
            else:
                self._load_ahead(self.host_tier, growth_tokens)
        self._queue_parked()
        return plan

    def _load_ahead(self, tier: HostTier, reserved_tokens: int) -> None:
        # The KV of a session is the session's.
        jobs = [self.rotation.book.job_of(req) for req in self.waiting_queue if req.session is None]
        tier.ahead(self.clock.now_us, jobs, self.rotation.book.req_of, self.policy.look_up, reserved_tokens)

    def run_batch(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one engine step, which waits for what of its prefixes is still on its way from the host."""
        if self.host_tier:
            batch.hicache_consumer_index = self.host_tier.flight.wait_index(batch)
        return super().run_batch(batch, *args, **kwargs)

    def flush_cache(self, *args: Any, **kwargs: Any) -> bool:
        """Empty the pools, once nothing is on its way into them."""
        if self.host_tier:
            self.host_tier.drain()
        return bool(super().flush_cache(*args, **kwargs))

    def _coasts(self, running_batch: Any) -> bool:
        """Whether there is nothing to decide in this pass; turns by force are counted in passes."""
        if self.waiting_queue or self.chunked_req or self.settings.rotation.force_every:
            return False
        return self.rotation.coasts(running_batch.reqs, self._free_tokens())

    def _free_tokens(self) -> int:
        """KV that is free, can be evicted, or could be if it were needed, of the kind that new tokens need."""
        spare = self.host_tier.spare_tokens() if self.host_tier else 0
        if self.kv:
            return self.kv.free_tokens() + spare
        return int(self.token_to_kv_pool_allocator.available_size() + self.tree_cache.evictable_size()) + spare

    def _rotate(self, running_batch: Any) -> None:
        """Decide, and take out whom the plan parks."""
        started_us = read_us()
        self.tend_cache(running_batch)
        self._finishing = set(self._reqs_finishing_inflight(running_batch))
        self.policy.match(self.waiting_queue)
        if self._queue_claims:
            self._queue_claims.follow(self.waiting_queue)
        free_tokens = self._free_tokens()
        if self.kv:
            free_tokens -= self.kv.held_elsewhere([*running_batch.reqs, self.chunked_req])
        free_rows = self.get_num_allocatable_reqs(len(running_batch.reqs), running_batch=running_batch)
        self.rotation.plan(running_batch.reqs, self.waiting_queue, self.chunked_req, free_tokens, free_rows)
        if self.decisions:
            self.decisions.write(self.clock.now_us, self.rotation, self._evicted())
        self._reject()
        self._take_out(running_batch)
        decision_us = read_us() - started_us
        if self.slo_metrics:
            self.slo_metrics.decided(decision_us)
        if self.events:
            self.events.decided(self.rotation.jobs, decision_us)

    def _evicted(self) -> list[str]:
        """Names of what our cache has evicted since the last call."""
        return self.tree_cache.book.take_victims() if self._queue_claims else []

    def _reject(self) -> None:
        """Refuse whom the plan refuses; they have had nothing, and hold nothing."""
        for req in self.rotation.rejected:
            self.waiting_queue.remove(req)
            self._release_aborted_request(req)
            self.beam_coordinator.retire_group(req)
            reason = rejection.reason(self.rotation.retry_after_s())
            self.send_abort_output(AbortReq(rid=req.rid, finished_reason=reason), req)

    def _take_out(self, running_batch: Any) -> None:
        parked = self.rotation.parked
        running = [req for req in parked if req is not self.chunked_req]
        park = partial(parking.park_running, running, running_batch, self.tree_cache)
        if self.host_tier and running:
            self.host_tier.parked(park)
        else:
            park()
        if self.chunked_req in parked:
            parking.park_chunked(self.chunked_req, self.tree_cache)
            self.chunked_req = None
        if self._queue_claims:
            self._queue_claims.parked(parked)
        if self.kv and parked:
            self.kv.look(running_batch.reqs, self.chunked_req)
        self.note_taken_out(parked)

    def note_taken_out(self, reasons: Mapping[Any, RotationReason]) -> None:
        """These have left the engine, and will come back."""
        if self.events:
            self.events.rotated(reasons)
        if self.slo_metrics:
            self.slo_metrics.rotated((self.ledger.state_of(req), reason) for req, reason in reasons.items())
        self.rotation.taken_out(reasons)

    def _note_admitted(self, batch: Any) -> None:
        """Remember how far a request had come, so that it is not taken out before it has come further."""
        if batch is None:
            return
        beside = set(batch.decoding_reqs or ())
        came_in = [req for req in batch.reqs if req not in beside]
        for req in came_in:
            req.tokens_when_admitted = len(req.output_ids)
        if self.host_tier:
            self.host_tier.admitted(came_in)
        if self.events:
            self.events.came_in(came_in)

    def _queue_parked(self) -> None:
        """Only now: who left in this pass must not be admitted by it, and is not turned away by a full queue."""
        for req in self.rotation.parked:
            self.waiting_queue.append(req)
            req.time_stats.set_wait_queue_entry_time()
            req.arrival_processed_tokens = self.processed_tokens_counter
        if self.slo_metrics:
            state_of = self.ledger.state_of
            self.slo_metrics.waiting(map(state_of, self.waiting_queue))
            self.slo_metrics.parked(state_of(req) for req in self.waiting_queue if self.rotation.book.has_run(req))
            self.slo_metrics.estimates(*self.rotation.policy.calibration().values())
            if self.host_tier:
                self.slo_metrics.host(self.host_tier.used_bytes, self.host_tier.moved_tokens())

    def _closed(self, req: Any, early: Early | None) -> None:
        if self.host_tier:
            self.host_tier.let_go(req)
        if self.events:
            self.events.closed(req, early)
        self.rotation.book.close(req, early)

    def _learn(self, load: StepLoad, elapsed_us: int) -> None:
        self.rotation.policy.observe(load, elapsed_us)
        if self.events:
            self.events.step(load, elapsed_us)

    def _may_park(self, req: Any) -> bool:
        if req is self.chunked_req:
            # The result of a batch with log-probabilities is read by position.
            return parking.can_come_back(req) and not (self.last_batch and self.last_batch.return_logprob)
        return parking.can_come_back(req) and parking.has_progressed(req) and req not in self._finishing


def _events(settings: config.Config, book: JobBook, clock: TickClock, policy: RotationPolicy) -> EventFeed | None:
    """The feed of events, on the rank that publishes, if the operator wants one."""
    if settings.observe.events is None or get_parallel().tp_rank != 0:
        return None
    options = policy.settings
    return EventFeed(EventPublisher(settings.observe.events), book, clock, options.tiers.count, options.max_wait_us)


def _policy(settings: config.RotationConfig, chunk_tokens: int | None, step_time: StepTime) -> RotationPolicy:
    chosen = RotationSettings(
        tiers=Tiers(slice_us=settings.slice_ms * 1000),
        max_step_us=settings.max_step_ms * 1000,
        max_chunk_tokens=chunk_tokens or 8192,
        max_wait_us=settings.max_wait_ms * 1000,
        max_parked=settings.max_parked,
    )
    if settings.force_every:
        return ForcedRotation(chosen, step_time, every=settings.force_every)
    return RotationPolicy(chosen, step_time)
