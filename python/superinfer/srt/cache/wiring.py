"""What the cache needs of the scheduler: its time, and whose request is whose."""

from pathlib import Path
from typing import Any
from zlib import crc32

from superinfer.cache.use import TENANT_BUCKETS
from superinfer.config import CacheConfig
from superinfer.srt.cache.access import AccessWriter
from superinfer.srt.cache.ends import Ends
from superinfer.srt.cache.pins import Pins
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.clock import TickClock
from superinfer.srt.ledger import Ledger


def connect(tree_cache: Any, clock: TickClock, ledger: Ledger, settings: CacheConfig, *, writes: bool) -> Ends | None:
    """Give our cache the time and the promises; SGLang's needs neither.

    Args:
        writes: Whether this rank writes the access log.

    Returns:
        What looks after pins; ``None`` with SGLang's cache.
    """
    if not isinstance(tree_cache, LearnedRadixCache):
        return None
    tree_cache.book.now_s = lambda: clock.now_us / 1e6

    def describe(req: Any) -> tuple[int, int]:
        state = ledger.state_of(req)
        tenant = state.slo.tenant
        return state.rank, 0 if tenant is None else crc32(tenant.encode()) % TENANT_BUCKETS

    tree_cache.describe = describe
    if settings.access_log is not None and writes:
        tree_cache.access_log = AccessWriter(
            Path(settings.access_log), settings.access_log_mb << 20, tree_cache.book.block_tokens
        )
    pins = Pins(tree_cache, settings.pin_share)
    ends = Ends(tree_cache, pins)
    tree_cache.on_end = lambda req: ends.ended(req, ledger.state_of(req).slo)
    tree_cache.on_reset = pins.forget
    return ends
