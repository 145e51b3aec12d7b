"""Types of command line values."""

import argparse
import math


def positive_seconds(text: str) -> float:
    """Seconds, more than none and not for ever.

    Raises:
        argparse.ArgumentTypeError: ``text`` is no such number.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, not {text!r}")
    return seconds
