"""Running a job: from a function and its arguments to a finished, or a streaming, state."""

import threading
from contextlib import suppress

from sglang.lang.global_config import global_config
from sglang.lang.ir import SglSamplingParams

from superinfer.lang.defaults import endpoint_of
from superinfer.lang.executor import SLOExecutor
from superinfer.lang.job import Job
from superinfer.lang.program import Program
from superinfer.lang.state import State


def run(job: Job, program: Program) -> State:
    """Run ``job`` to its end.

    Raises:
        Exception: What the function raised, or else what stopped one of its calls.
    """
    state = _start(job, program)
    _execute(job, state)
    return state


def stream(job: Job, program: Program) -> State:
    """Run ``job`` in the background. What goes wrong is raised by whoever reads the state."""
    state = _start(job, program, stream=True)
    threading.Thread(target=_execute_quietly, args=(job, state), name="superinfer-program", daemon=True).start()
    return state


def _start(job: Job, program: Program, stream: bool = False) -> State:
    endpoint = endpoint_of(job.backend)
    executor = SLOExecutor(
        program,
        program.begin(),
        "",
        endpoint,
        job.kwargs,
        SglSamplingParams(**{name: value for name, value in job.sampling.items() if value is not None}),
        stream=stream,
        num_api_spec_tokens=job.function.num_api_spec_tokens,
        use_thread=job.use_thread,
    )
    state = State(executor)
    endpoint.begin_program(executor)
    return state


def _execute(job: Job, state: State) -> None:
    program = state.stream_executor.program
    try:
        state.ret_value = job.function.func(state, *job.args, **job.kwargs)
        program.finish()
    except BaseException as error:
        state.stream_executor.fail(error)
        program.abandon()
        raise
    if global_config.verbosity >= 2:
        print(state.text())


def _execute_quietly(job: Job, state: State) -> None:
    # Whoever reads the state gets the error; a traceback on stderr would be a second copy.
    with suppress(BaseException):
        _execute(job, state)
