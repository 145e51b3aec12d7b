"""What the cache needs of the scheduler: its time, and whose request is whose."""

from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from superinfer.cache.score import Cost
from superinfer.cache.use import TENANT_BUCKETS
from superinfer.cache.worth import Prices
from superinfer.config import CacheConfig
from superinfer.sched.step_time import StepTime
from superinfer.srt.cache.access import AccessWriter
from superinfer.srt.cache.asker import PROMPT_ENDS_KEY, Asker, kind_of, slack_ms
from superinfer.srt.cache.ends import Ends
from superinfer.srt.cache.host_book import HostBook
from superinfer.srt.cache.host_room import room_of
from superinfer.srt.cache.pins import Pins
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.clock import TickClock
from superinfer.srt.ledger import Ledger


def connect(
    tree_cache: Any, clock: TickClock, ledger: Ledger, step_time: StepTime, settings: CacheConfig, *, writes: bool
) -> Ends | None:
    """Give our cache the time and the promises; SGLang's needs neither.

    Args:
        step_time: What computing and loads cost.
        writes: Whether this rank writes the access log.

    Returns:
        What looks after pins; ``None`` with SGLang's cache.
    """
    if not isinstance(tree_cache, LearnedRadixCache):
        return None
    tree_cache.book.now_s = lambda: clock.now_us / 1e6
    tree_cache.book.cost = partial(_cost, step_time)
    if tree_cache.cache_controller is not None:
        price_host(tree_cache, step_time)

    tree_cache.describe = partial(_describe, ledger)
    if settings.access_log is not None and writes:
        tree_cache.access_log = AccessWriter(
            Path(settings.access_log), settings.access_log_mb << 20, tree_cache.book.block_tokens
        )
    pins = Pins(tree_cache, settings.pin_share)
    ends = Ends(tree_cache, pins)
    tree_cache.on_end = lambda req: ends.ended(req, ledger.state_of(req).slo)
    tree_cache.on_reset = ends.forget
    return ends


def _describe(ledger: Ledger, req: Any) -> Asker:
    state, told = ledger.state_of(req), req.sampling_params.custom_params or {}
    tenant = state.slo.tenant
    bucket = 0 if tenant is None else crc32(tenant.encode()) % TENANT_BUCKETS
    return Asker(state.rank, bucket, slack_ms(state.slo), kind_of(told.get(PROMPT_ENDS_KEY)))


def _cost(step_time: StepTime) -> Cost:
    _, token_us, pair_us = step_time.prefill_prices_us
    return Cost(token_us / 1000, pair_us / 1000)


def price_host(tree_cache: LearnedRadixCache, step_time: StepTime) -> None:
    """Let the host tier keep what is worth most by what computing and the link cost."""
    core, host_pool = tree_cache.tree_core, tree_cache.cache_controller.mem_pool_host

    def prices() -> Prices:
        return Prices(_cost(step_time), step_time.loads.us_per_token / 1000)

    host = HostBook(core.book, room_of(core, host_pool), prices, core.node_by_id)
    core.book.on_moved = host.moved
    core.keep_host_book(host)
