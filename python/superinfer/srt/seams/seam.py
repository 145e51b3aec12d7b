"""What an entry is, and what several files name."""

from dataclasses import dataclass

MANAGERS = "sglang.srt.managers"
COMPONENTS = "sglang.srt.managers.scheduler_components"
PROCESS = "server_args port_args gpu_id tp_rank pp_rank dp_rank pipe_writer display_tp_rank display_dp_rank"


@dataclass(frozen=True, slots=True)
class Seam:
    """A function, method, class or value that is imported, called or overridden.

    Attributes:
        path: Dotted path.
        parameters: Parameter names in order, for what is callable and not a class; ``None`` if it only has to exist.
    """

    path: str
    parameters: str | None = None


def members(owner: str, members: dict[str, str]) -> tuple[Seam, ...]:
    """Entries of a class or module: name -> parameters."""
    return tuple(Seam(f"{owner}.{name}", parameters) for name, parameters in members.items())
