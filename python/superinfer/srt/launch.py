"""Starting a server: the checks before anything is spawned, then SGLang's launcher with our parts."""

import os
from collections.abc import Sequence
from typing import Any

from superinfer.config import Config, enable
from superinfer.srt import children, process, support, threads
from superinfer.srt.hooks import Role


def serve(config: Config, argv: Sequence[str]) -> None:
    """Run a server until it is stopped.

    Args:
        config: SuperInfer's configuration.
        argv: Arguments of ``sglang serve``.

    Raises:
        UnsupportedError: A combination of features that SuperInfer does not support.
        HookError: SGLang did not take our hooks.
    """
    children.start_with(threads.HUGE_PAGES)
    enable(config)
    threads.reserve_for_scheduler()
    process.load(Role.SERVER)
    from sglang.srt.server_args import prepare_server_args

    server_args = prepare_server_args(list(argv))
    support.check(server_args, config)
    _run(server_args, config)


def _run(server_args: Any, config: Config) -> None:
    from sglang.srt.entrypoints.http_server import app, launch_server
    from sglang.srt.utils import kill_process_tree

    from superinfer.srt import http

    http.install(app, config.slo_policy(), refuses=config.rotation.enabled and config.rotation.reject)
    children.fork_when_safe()
    try:
        launch_server(
            server_args,
            init_tokenizer_manager_func=process.init_tokenizer_manager,
            run_scheduler_process_func=process.run_scheduler,
            run_detokenizer_process_func=process.run_detokenizer,
        )
    finally:
        kill_process_tree(os.getpid(), include_parent=False)
