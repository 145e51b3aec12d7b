"""Which SGLang classes are replaced in which process, and the proof that it happened."""

from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pkgutil import resolve_name

from superinfer import config
from superinfer.srt import SGLANG_VERSION, defaults


class Role(Enum):
    """What a process does. Each role hooks only what it runs, so that no process imports another's modules."""

    SERVER = "server"
    """HTTP server and tokenizer manager, or the process of an ``Engine``."""
    SCHEDULER = "scheduler"
    DETOKENIZER = "detokenizer"


@dataclass(frozen=True, slots=True)
class Hook:
    """A class of SGLang's and the subclass of ours that takes its place."""

    target: str
    replacement: str
    role: Role


TOKENIZER_MANAGER = Hook(
    "sglang.srt.managers.tokenizer_manager.TokenizerManager",
    "superinfer.srt.tokenizer.SLOTokenizerManager",
    Role.SERVER,
)
ROTATING = Hook(
    "sglang.srt.managers.scheduler.Scheduler",
    "superinfer.srt.rotating_scheduler.RotatingScheduler",
    Role.SCHEDULER,
)
MIXED_KV = Hook(
    "sglang.srt.model_executor.pool_configurator.DefaultPoolConfigurator",
    "superinfer.srt.kv.sizes.MixedPoolConfigurator",
    Role.SCHEDULER,
)
MEASURING = Hook(ROTATING.target, "superinfer.srt.scheduler.SLOScheduler", Role.SCHEDULER)

PLATFORM_HOOK = "sglang.srt.platforms.current_platform"


class HookError(RuntimeError):
    """A hook did not take: this process would serve as stock SGLang without saying so."""


def hooks() -> tuple[Hook, ...]:
    """The replacements that the active configuration asks for."""
    settings = config.active()
    rotates = settings is None or settings.rotation.enabled
    mixed = (MIXED_KV,) if defaults.mixed_kv() else ()
    return TOKENIZER_MANAGER, ROTATING if rotates else MEASURING, *mixed


def register(role: Role) -> None:
    """Register the replacements of ``role`` with SGLang, which applies them once all plugins have run."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookSource, HookType

    defaults.register()
    if role is Role.SCHEDULER:
        from superinfer.srt.cache import backend

        backend.register()
    source = HookSource("superinfer", "superinfer")
    for hook in hooks():
        if hook.role is role:
            HookRegistry.register(hook.target, _load(hook.replacement), HookType.REPLACE, source=source)


def add(*roles: Role) -> None:
    """Put the hooks of ``roles`` in force in a process in which SGLang has asked its plugins already."""
    from sglang.srt.plugins.hook_registry import HookRegistry

    for role in roles:
        if not all(status(role).values()):
            register(role)
    HookRegistry.apply_hooks()


def load_all() -> dict[Role, dict[str, bool]]:
    """Put the hooks of every role in force in this one process and report on each; for diagnosis only."""
    from sglang.srt.plugins import load_plugins

    load_plugins()
    add(*Role)
    return {role: status(role) for role in Role}


def status(role: Role) -> dict[str, bool]:
    """Target of each hook of ``role`` -> whether it is in force in this process."""
    mine = [hook for hook in hooks() if hook.role is role]
    active = {hook.target: resolve_name(hook.target) is _load(hook.replacement) for hook in mine}
    return active | {PLATFORM_HOOK: _platform_is_ours()}


def verify(role: Role) -> None:
    """Check every hook of ``role``.

    Raises:
        HookError: One is not in force. Names it and the SGLang version it was written for.
    """
    failed = [target for target, active in status(role).items() if not active]
    if failed:
        from sglang.version import __version__ as found

        raise HookError(
            f"SuperInfer refuses to serve: in the {role.value} process the hook on {', '.join(failed)} is not in "
            f"force (written for sglang {SGLANG_VERSION}, found {found}; was sglang imported "
            f"before superinfer.Engine, is SGLANG_PLUGINS or SGLANG_PLATFORM set, or does another plugin replace it?)"
        )


def _platform_is_ours() -> bool:
    from sglang.srt.platforms import current_platform

    from superinfer.srt import platform

    path = platform.activate()
    return path is None or type(current_platform) is _load(path)


def _load(path: str) -> type:
    module, _, name = path.rpartition(".")
    loaded = getattr(import_module(module), name)
    assert isinstance(loaded, type)
    return loaded
