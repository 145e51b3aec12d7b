"""Text to measure on, which every Python brings along, and sentences to look for in it."""

import random
from pathlib import Path

SOURCE = "pydoc_data.topics: the language reference that comes with Python (PSF licence)"

CITIES = ("Lisbon", "Oslo", "Cairo", "Lima", "Delhi", "Perth", "Kyoto", "Turin")


def read_text(path: Path | None) -> tuple[str, str]:
    """The text to measure on, and where it is from.

    Args:
        path: A file of the user's, or ``None`` for what Python brings along.

    Raises:
        ValueError: The file cannot be read as text.
    """
    if path is None:
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name] for name in sorted(topics)), SOURCE
    try:
        return path.read_text(), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"text {path}: cannot be read: {error}") from error


def needle(trial: int) -> tuple[str, str]:
    """A fact without its end, and the end: what a model that remembers the fact repeats."""
    city = CITIES[trial % len(CITIES)]
    number = random.Random(trial).randrange(10_000, 100_000)
    return f"\n\nThe secret number of {city} is", f" {number}"
