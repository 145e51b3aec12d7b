"""Types of command line values."""

import argparse
from collections.abc import Callable, Collection


def subset(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """The type of some of these names, separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return names

    return parse
