"""Whether our radix cache serves, or SGLang's."""

from typing import Any

from superinfer import config

NAME = "superinfer"
"""Of our cache among SGLang's radix cache backends."""


def choose(server_args: Any) -> None:
    """Name our cache in SGLang's arguments, unless these or the operator ask for another."""
    settings = config.active()
    if settings is None or server_args.radix_cache_backend is not None or settings.cache.eviction == "sglang":
        return
    if settings.cache.eviction is not None or conflict(server_args) is None:
        server_args.radix_cache_backend = NAME


def conflict(server_args: Any) -> str | None:
    """The argument that asks for a cache which is not ours, if there is one."""
    asked = {
        "--disable-radix-cache": server_args.disable_radix_cache,
        "--enable-session-radix-cache": server_args.enable_session_radix_cache,
        "--enable-lmcache": server_args.enable_lmcache,
        "--enable-flexkv": server_args.enable_flexkv,
        "--enable-unified-cache-external-linker": server_args.enable_unified_cache_external_linker,
        "--enable-kv-cache-sharding": server_args.enable_kv_cache_sharding,
        "--radix-eviction-policy": _names_a_policy(server_args),
        "--radix-cache-backend": server_args.radix_cache_backend not in (None, NAME),
    }
    return next((name for name, given in asked.items() if given), None)


def _names_a_policy(server_args: Any) -> bool:
    return server_args.radix_eviction_policy != "lru" or server_args._radix_eviction_policy_explicitly_set
