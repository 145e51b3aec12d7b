"""``superinfer serve``."""

import logging
import sys
from collections.abc import Sequence

from superinfer.cli.arguments import parse_serve
from superinfer.cli.errors import UserError


def run(argv: Sequence[str]) -> int:
    """Serve until stopped; see ``superinfer.cli.arguments`` for the arguments."""
    if "--help-sglang" in argv:
        return _help_sglang()
    arguments = parse_serve(argv)
    sglang = arguments.sglang if arguments.names_model else [*_embedded_model(), *arguments.sglang]
    from superinfer.srt.hooks import HookError
    from superinfer.srt.launch import serve
    from superinfer.srt.support import UnsupportedError

    try:
        serve(arguments.config, sglang)
    except (HookError, UnsupportedError) as error:
        raise UserError(str(error)) from None
    return 0


def _embedded_model() -> list[str]:
    from superinfer.models import DEFAULT_MODEL, ModelError, ensure_default_model

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        path = ensure_default_model()
    except ModelError as error:
        raise UserError(str(error)) from None
    return ["--model-path", str(path), "--served-model-name", DEFAULT_MODEL.name]


def _help_sglang() -> int:
    import argparse

    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser(prog="superinfer serve")
    ServerArgs.add_cli_args(parser)
    parser.print_help(sys.stdout)
    return 0
