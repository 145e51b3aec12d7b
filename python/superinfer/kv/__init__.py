"""KV memory in several precisions: formats, layout, regions and who holds which page.

The modules that this package exports are pure. :mod:`superinfer.kv.codec` seals pages with torch, and
:mod:`superinfer.kv.evaluate` measures what that costs in quality.
"""

from superinfer.kv.allocator import Move, OutOfPages, Page, RegionAllocator
from superinfer.kv.balance import Balancer, Demand, Shift, largest_tokens, reserve_slabs
from superinfer.kv.formats import (
    CLASS_FLOORS,
    FIRST_PAGE,
    PAGE_TOKENS,
    VALUE_GROUP,
    Format,
    accepts,
    floor_of,
    page_format,
    parse_format,
)
from superinfer.kv.layout import KvShape
from superinfer.kv.regions import Regions
from superinfer.kv.sizing import (
    check_native_region,
    native_pages_needed,
    parse_bytes,
    parse_regions,
    size_regions,
    slab_pages_for,
)

__all__ = [
    "CLASS_FLOORS",
    "FIRST_PAGE",
    "PAGE_TOKENS",
    "VALUE_GROUP",
    "Balancer",
    "Demand",
    "Format",
    "KvShape",
    "Move",
    "OutOfPages",
    "Page",
    "RegionAllocator",
    "Regions",
    "Shift",
    "accepts",
    "check_native_region",
    "floor_of",
    "largest_tokens",
    "native_pages_needed",
    "page_format",
    "parse_bytes",
    "parse_format",
    "parse_regions",
    "reserve_slabs",
    "size_regions",
    "slab_pages_for",
]
