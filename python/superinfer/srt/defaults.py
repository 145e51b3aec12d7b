"""Server arguments that SGLang settles before it asks the platform."""

from collections.abc import Callable
from typing import Any

from superinfer import config
from superinfer.srt import ATTENTION_BACKEND

CPU_OVERLAP = "SUPERINFER_CPU_OVERLAP"
"""Environment variable that leaves overlap scheduling on on a CPU, for tests of what a GPU's server does."""


def decode_beside_prefill(server_args: Any) -> None:
    """The rotating policy plans steps in which running requests decode while a prompt is computed."""
    settings = config.active()
    if settings is not None and settings.rotation.enabled:
        server_args.enable_mixed_chunk = True


def mixed_kv() -> bool:
    """Whether the operator wants KV memory of several formats."""
    settings = config.active()
    return settings is not None and settings.kv.budget is not None


def tree_in_python() -> None:
    """Making cached prefixes coarser changes their slots, which SGLang's tree in Rust does not let anybody do."""
    from sglang.srt.environ import envs

    if not envs.SGLANG_UNIFIED_RADIX_TREE_CORE_BACKEND.is_set():
        envs.SGLANG_UNIFIED_RADIX_TREE_CORE_BACKEND.set("python")


def register() -> None:
    """Name our attention backend among the choices, and make it the default where the platform says so."""
    from sglang.srt.arg_groups import choices
    from sglang.srt.arg_groups.resolution_hooks import register_resolution_hook

    if ATTENTION_BACKEND not in choices.ATTENTION_BACKEND_CHOICES:
        choices.add_attention_backend_choices([ATTENTION_BACKEND])
        register_resolution_hook("handle_cpu_backends")(attention_on_cpu)


def attention_on_cpu(server_args: Any, previous: Callable[[Any], None]) -> None:
    """Left open, SGLang takes "cpu" for its own CPU route and chooses that one's backend."""
    from sglang.srt.arg_groups.model_override_base import resolving_view
    from sglang.srt.arg_groups.overrides import declare_resolution
    from sglang.srt.platforms import current_platform

    view = resolving_view(server_args)
    if view.device == "cpu" and view.attention_backend is None and current_platform.is_out_of_tree():
        default = current_platform.get_default_attention_backend()
        declare_resolution(server_args, "superinfer", attention_backend=default)
    previous(server_args)
