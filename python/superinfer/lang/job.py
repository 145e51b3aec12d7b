"""One run to be: light until it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from superinfer.lang.program import Program

if TYPE_CHECKING:
    from superinfer.lang.definition import Function
    from superinfer.lang.state import State

SAMPLING: Final = frozenset(
    {
        *("max_new_tokens", "min_new_tokens", "n", "stop", "stop_token_ids", "stop_regex", "temperature"),
        *("top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "ignore_eos", "return_logprob"),
        *("logprob_start_len", "top_logprobs_num", "return_text_in_logprobs", "json_schema", "dtype", "regex"),
    }
)
"""Keyword arguments of a run that are sampling parameters: the fields of SGLang's ``SglSamplingParams``."""


@dataclass(frozen=True, slots=True)
class Job:
    """A function with all that a run of it needs.

    Attributes:
        function: What to run.
        args: Positional arguments, after the state.
        kwargs: Keyword arguments.
        sampling: Sampling parameters of calls that say nothing else.
        backend: Where calls go.
        use_thread: Let the program run ahead of its calls.
    """

    function: "Function"
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    sampling: Mapping[str, Any]
    backend: Any
    use_thread: bool

    def run(self, program: Program) -> "State":
        """Run to the end; raises what goes wrong."""
        from superinfer.lang import execution

        return execution.run(self, program)

    def stream(self, program: Program) -> "State":
        """Run in the background; what goes wrong is raised by whoever reads the state."""
        from superinfer.lang import execution

        return execution.stream(self, program)
