"""SGLang's arguments for the host tier."""

from typing import Any

from superinfer import config

LAYOUT = "layer_first"
"""The host's pool as the CPU's: a buffer for keys and one for values per layer, a row per token."""

WRITE_POLICIES = {"through": "write_through", "back": "write_back", "selective": "write_through_selective"}


def apply(server_args: Any, *, on_cpu: bool) -> None:
    """Switch the tier on if ``[host]`` asks for it, and on the CPU make it one that can be built there.

    Args:
        server_args: SGLang's, while it asks the platform for its defaults.
        on_cpu: Whether the device's pool is in CPU memory.
    """
    settings = config.active()
    if settings is not None and settings.host.tier_bytes:
        server_args.enable_hierarchical_cache = True
        server_args.hicache_write_policy = WRITE_POLICIES[settings.host.write]
        # SGLang counts in units of 10^9 bytes, and does so with fractions, too.
        server_args.hicache_size = settings.host.tier_bytes / 1e9
        server_args.hicache_host_memory_fraction = None
    if on_cpu:
        server_args.hicache_io_backend = "direct"
        server_args.hicache_mem_layout = LAYOUT
        # Sizing by what is free keeps 10 GiB from the pool; twice the device's pool is a default that can be had.
        server_args.hicache_host_memory_fraction = None
