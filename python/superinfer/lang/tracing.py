"""Running a program without a model: for its graph, and for the text that all its runs begin with."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sglang.lang.backend.base_backend import BaseBackend
from sglang.lang.global_config import global_config
from sglang.lang.interpreter import ProgramStateGroup
from sglang.lang.ir import SglArgument, SglConstantText, SglFork, SglGetForkItem
from sglang.lang.tracer import StopTracing, TracerProgramState

from superinfer.lang.definition import active_tracer

if TYPE_CHECKING:
    from superinfer.lang.definition import Function

MIN_PREFIX_CHARS = 64
"""A common prefix shorter than this is not worth a request of its own."""


class Tracer(TracerProgramState):
    """SGLang's tracer, for programs that give their forks SLOs; the graph does not show them."""

    def fork(
        self, size: int = 1, position_ids_offset: list[int] | None = None, *, slo: Any = None
    ) -> ProgramStateGroup:
        """Branches in the graph."""
        if self.only_trace_prefix:
            raise StopTracing
        fork = SglFork(size, position_ids_offset)
        fork.prev_node = self.last_node
        return ProgramStateGroup([self._branch(fork, index) for index in range(size)], self)

    def _branch(self, fork: SglFork, index: int) -> "Tracer":
        branch = Tracer(self.backend, self.arguments, self.only_trace_prefix)
        branch.last_node = SglGetForkItem(index)
        branch.last_node.prev_node = fork
        branch.variables = dict(self.variables)
        branch.messages_ = list(self.messages_)
        branch.cur_role = self.cur_role
        branch.chat_template = self.chat_template
        return branch


def trace(function: "Function", arguments: Mapping[str, Any], backend: Any = None) -> Tracer:
    """The graph of ``function``; parameters without an argument stay symbols."""
    tracer = Tracer(backend or BaseBackend(), _with_symbols(function, arguments), only_trace_prefix=False)
    outer = active_tracer.get()
    if outer is not None:
        outer.child_states.append(tracer)
    _run(function, tracer)
    return tracer


def common_prefix(function: "Function", backend: Any) -> str:
    """The text with which all runs of ``function`` begin, as far as it can be told without arguments."""
    tracer = Tracer(backend, _with_symbols(function, {}), only_trace_prefix=True)
    # It ends where a symbol is used as a value, at the latest. What came before is the same in all runs.
    with suppress(Exception):
        _run(function, tracer)
    prefix = ""
    for node in tracer.flatten_nodes():
        if not isinstance(node, SglConstantText):
            break
        prefix += node.value
    return prefix


def cache_prefix(function: "Function", backend: Any) -> None:
    """Have ``backend`` compute and keep the common prefix, if that is worth a request."""
    prefix = common_prefix(function, backend)
    if len(prefix) > MIN_PREFIX_CHARS:
        backend.cache_prefix(prefix)


def precache(function: "Function", backend: Any) -> None:
    """``cache_prefix``, unless SGLang's ``global_config`` says not to do so unasked."""
    if global_config.enable_precache_with_tracing:
        cache_prefix(function, backend)


def _with_symbols(function: "Function", arguments: Mapping[str, Any]) -> dict[str, Any]:
    symbols = {name: SglArgument(name, None) for name in function.arg_names}
    return {**symbols, **function.bind_arguments, **arguments}


def _run(function: "Function", tracer: Tracer) -> None:
    token = active_tracer.set(tracer)
    try:
        tracer.ret_value = function.func(tracer, **tracer.arguments)
    finally:
        active_tracer.reset(token)
