"""The words of a program. Each is SGLang's, with ``slo=`` where a call begins.

Light: SGLang is loaded when the first of them is used, which is when a program runs.
"""

from typing import Any

from superinfer.lang.defaults import default_backend, endpoint_of
from superinfer.lang.promise import SLOLike, parse


def gen(
    name: str | None = None, max_tokens: int | None = None, *args: Any, slo: SLOLike | None = None, **kwargs: Any
) -> Any:
    """Let the model write.

    Args:
        name: The variable for the text.
        max_tokens: At most so many tokens.
        args: As in ``sglang.gen``.
        slo: What this call is promised: over the SLO of its fork and program, field by field. A ``deadline_ms`` is for
            this call, and never longer than what is left of the program's.
        kwargs: As in ``sglang.gen``: ``temperature``, ``stop``, ``regex``, ``json_schema``, ``dtype``, ``choices``...

    Raises:
        SLOError: A bad SLO; the error names the field.
    """
    return _with_slo(_sglang().gen(name, max_tokens, *args, **kwargs), slo)


def gen_int(
    name: str | None = None, max_tokens: int | None = None, *args: Any, slo: SLOLike | None = None, **kwargs: Any
) -> Any:
    """Let the model write an integer; arguments as for ``gen``."""
    return _with_slo(_sglang().gen_int(name, max_tokens, *args, **kwargs), slo)


def gen_string(
    name: str | None = None, max_tokens: int | None = None, *args: Any, slo: SLOLike | None = None, **kwargs: Any
) -> Any:
    """Let the model write a string in double quotes; arguments as for ``gen``."""
    return _with_slo(_sglang().gen_string(name, max_tokens, *args, **kwargs), slo)


def select(
    name: str | None = None,
    choices: list[str] | None = None,
    temperature: float = 0.0,
    choices_method: Any = None,
    *,
    slo: SLOLike | None = None,
) -> Any:
    """Let the model choose.

    Args:
        name: The variable for the choice.
        choices: What there is to choose from.
        temperature: 0: choices are scored, not sampled.
        choices_method: One of ``sglang``'s, such as ``sglang.greedy_token_selection``; the default compares
            likelihoods normalised by length.
        slo: As in ``gen``; every request of the choice is sent with it, and with what is left of its deadline.

    Raises:
        SLOError: A bad SLO; the error names the field.
        ValueError: No choices.
    """
    if not choices:
        raise ValueError("select() needs choices")
    methods = {} if choices_method is None else {"choices_method": choices_method}
    return _with_slo(_sglang().select(name, list(choices), temperature, **methods), slo)


def system(expr: Any = None) -> Any:
    """A system message."""
    return _sglang().system(expr)


def user(expr: Any = None) -> Any:
    """A user's message."""
    return _sglang().user(expr)


def assistant(expr: Any = None) -> Any:
    """The assistant's message, usually with a ``gen`` in it."""
    return _sglang().assistant(expr)


def system_begin() -> Any:
    """The beginning of a system message."""
    return _sglang().system_begin()


def system_end() -> Any:
    """Its end."""
    return _sglang().system_end()


def user_begin() -> Any:
    """The beginning of a user's message."""
    return _sglang().user_begin()


def user_end() -> Any:
    """Its end."""
    return _sglang().user_end()


def assistant_begin() -> Any:
    """The beginning of the assistant's message."""
    return _sglang().assistant_begin()


def assistant_end() -> Any:
    """Its end."""
    return _sglang().assistant_end()


def image(path: str | bytes) -> Any:
    """An image: a file's path, or the bytes of one."""
    return _numbered(_sglang().image(path))


def video(path: str, num_frames: int) -> Any:
    """A video file, as ``num_frames`` frames."""
    return _numbered(_sglang().video(path, num_frames))


def separate_reasoning(expr: Any = None, model_type: str | None = None) -> Any:
    """Split what ``expr`` generates into reasoning (``<name>_reasoning_content``) and answer (``<name>``)."""
    return _sglang().separate_reasoning(expr, model_type)


def flush_cache(backend: Any = None) -> Any:
    """Empty the server's prefix cache. False if there is no backend to ask."""
    backend = backend or default_backend()
    return endpoint_of(backend).flush_cache() if backend else False


def get_server_info(backend: Any = None) -> Any:
    """The server's settings and state. None if there is no backend to ask."""
    backend = backend or default_backend()
    return endpoint_of(backend).get_server_info() if backend else None


def _sglang() -> Any:
    from sglang.lang import api

    return api


def _with_slo(expr: Any, slo: SLOLike | None) -> Any:
    expr.slo = parse(slo)
    return expr


def _numbered(expr: Any) -> Any:
    # SGLang's images and videos skip their base class, and are then missing what graphs of programs are printed with.
    from sglang.lang.ir import SglExpr

    SglExpr.__init__(expr)
    return expr
