"""SGLang's scheduler with the books of promises: what is owed to each request, and how it ended."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sglang.srt.managers.scheduler import NextBatchPlan, Scheduler
from sglang.srt.runtime_context import get_parallel

from superinfer import __version__, config
from superinfer.kv import Format
from superinfer.sched.step_time import StepTime
from superinfer.srt import rejection, support
from superinfer.srt.cache import wiring
from superinfer.srt.cache.ends import Ends
from superinfer.srt.clock import Tick, TickClock
from superinfer.srt.host.tier import HostTier
from superinfer.srt.internal_state import SLOInternalState
from superinfer.srt.kv import classes
from superinfer.srt.kv.allocator import ask_for
from superinfer.srt.kv.keeper import KvKeeper
from superinfer.srt.ledger import Ledger
from superinfer.srt.linear import is_packed
from superinfer.srt.meter import StepMeter
from superinfer.srt.metrics import SchedulerMetrics
from superinfer.srt.rotation import Rotation
from superinfer.srt.streamer import SLOOutputStreamer
from superinfer.srt.weight_updates import PackedWeightUpdater


class SLOScheduler(Scheduler):
    """Measures what was promised, and what engine steps cost; who goes when is SGLang's decision.

    Attributes:
        settings: The operator's choices.
        clock: Time of the current pass.
        ledger: Promises and outcomes.
        step_time: What engine steps cost.
        meter: Measures them.
        rotation: Turns in the engine; ``None`` where requests run to their end.
        host_tier: KV in host memory that comes back ahead of its turn; ``None`` where there is none, or no turns.
        cache_ends: Looks after pinned prefixes; ``None`` with SGLang's cache.
        kv: Seals pages; ``None`` where all KV is native.
        slo_metrics: Prometheus metrics, or ``None`` where this rank publishes none.
    """

    def __init__(self, server_args: Any, port_args: Any) -> None:
        settings = config.active()
        assert settings is not None, "only hooked in when SuperInfer is on"
        support.check(server_args, settings)
        # Before super(): the init_* methods below run inside it.
        self.settings = settings
        self.clock = TickClock(shared=server_args.tp_size > 1, several_hosts=server_args.nnodes > 1)
        self.ledger = Ledger(settings.slo_policy(), self.clock)
        self.step_time = StepTime()
        self.meter = StepMeter(self.step_time.observe)
        self.rotation: Rotation | None = None
        self.host_tier: HostTier | None = None
        self.kv: KvKeeper | None = None
        self.slo_metrics: SchedulerMetrics | None = None
        self.cache_ends: Ends | None = None
        super().__init__(server_args, port_args)
        self._connect_cache()

    # Construction: SGLang asks these for the parts it is made of.

    def init_metrics_reporter(self) -> None:
        """Beside SGLang's metrics, ours; on the ranks that publish."""
        super().init_metrics_reporter()
        if self.metrics_reporter.current_scheduler_metrics_enabled:
            self.slo_metrics = SchedulerMetrics(self.metrics_collector.labels)
            self.ledger.observer = self.slo_metrics

    def init_internal_state(self) -> None:
        """``/server_info`` and ``/superinfer/state`` read our state, too."""
        super().init_internal_state()
        stock = vars(self)["internal_state"]
        self.internal_state = SLOInternalState(self, stock.record_step_time)

    def init_weight_updater(self) -> None:
        """Updates are refused where the weights were packed for our kernels."""
        super().init_weight_updater()
        if is_packed(self.tp_worker.model_runner.model):
            stock = vars(self)["weight_updater"]
            self.weight_updater = PackedWeightUpdater.instead_of(stock)

    def get_output_streamer_class(self) -> Callable[..., SLOOutputStreamer]:
        """Outputs pass the ledger."""
        return partial(SLOOutputStreamer, ledger=self.ledger)

    def get_init_info(self) -> dict[str, Any]:
        """What the launcher learns of this rank: also that it runs this class."""
        return {**super().get_init_info(), "superinfer": __version__}

    def _connect_cache(self) -> None:
        """Our cache needs the time and the promises."""
        first, settings = get_parallel().tp_rank == 0, self.settings.cache
        self.cache_ends = wiring.connect(
            self.tree_cache, self.clock, self.ledger, self.step_time, settings, writes=first
        )
        if self.slo_metrics and self.cache_ends:
            self.tree_cache.book.observer = self.slo_metrics
        if self.kv and self.cache_ends:
            self.kv.pinned = self.cache_ends.pins.nodes

    # Life of a request.

    def _poll_timeout_aborts(self) -> list[Any]:
        """Rank 0's own input to a pass: SGLang's timeouts and our tick."""
        return [*super()._poll_timeout_aborts(), *self.clock.poll()]

    def process_input_requests(self, recv_reqs: list[Any]) -> None:
        """Take in what arrived; the tick first, although it comes last, so that arrivals are stamped with it."""
        requests = []
        for item in recv_reqs:
            if isinstance(item, Tick):
                self.clock.advance(item)
            else:
                requests.append(item)
        super().process_input_requests(requests)

    def _create_generation_req(self, recv_req: Any, *args: Any, **kwargs: Any) -> Any:
        """A request arrives: open its account."""
        req = super()._create_generation_req(recv_req, *args, **kwargs)
        state = self.ledger.state_of(req)
        if self.settings.kv.budget is not None:
            classes.mark(req, state.slo)
            if self.kv:
                self.kv.books.requests[req.kv_floor] += 1
        return req

    def init_req_max_new_tokens(self, req: Any) -> None:
        """Limit the answer to what the memory holds, in the formats that the request accepts."""
        ask_for(req, self.token_to_kv_pool_allocator)
        super().init_req_max_new_tokens(req)

    def get_new_batch_prefill(self, running_batch: Any) -> NextBatchPlan:
        """Choose the requests of the next prefill batch."""
        self.tend_cache(running_batch)
        return self.admit(running_batch)

    def admit(self, running_batch: Any) -> NextBatchPlan:
        """SGLang's choice of the next prefill batch, with the cache in order."""
        waiting = bool(self.waiting_queue)
        plan = super().get_new_batch_prefill(running_batch)
        if waiting and self.slo_metrics:
            self.slo_metrics.waiting(self.ledger.state_of(req) for req in self.waiting_queue)
        return plan

    def tend_cache(self, running_batch: Any) -> None:
        """Release pins that have timed out, and those in the way of the longest request."""
        if self.cache_ends is None or not self.cache_ends.pins.pins:
            return  # the usual case, in every pass: nothing to go through the requests for
        reqs = [*self.waiting_queue, *running_batch.reqs, *([self.chunked_req] if self.chunked_req else [])]
        longest = [0] * (1 if self.settings.kv.budget is None else len(Format))
        for req in reqs:
            needs = len(req.origin_input_ids) + (req.sampling_params.max_new_tokens or 1) + 2 * self.page_size
            level = getattr(req, "kv_floor", Format.NATIVE)
            longest[level] = max(longest[level], needs)
        self.cache_ends.follow(longest)

    def run_batch(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one engine step."""
        self.meter.step(batch, self.clock.now_us, after_idle=self._sched_idled)
        return super().run_batch(batch, *args, **kwargs)

    def send_abort_output(self, abort_req: Any, req: Any) -> None:
        """A request ends outside the output stream."""
        self.ledger.close(req, rejection.early_end(abort_req.finished_reason))
        super().send_abort_output(abort_req, req)
