"""Entry point in ``sglang.srt.plugins``: SGLang calls it in each of its processes."""

from superinfer import config


def register() -> None:
    """Register SuperInfer's hooks for this process's role; nothing if SuperInfer is off.

    SGLang only logs an exception raised here and serves on without us. ``srt.process`` therefore checks the
    result in every process, and is what refuses to serve.
    """
    if config.active() is None:
        return
    from superinfer.srt import hooks, process

    hooks.register(process.current_role())
