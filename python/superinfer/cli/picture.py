"""Pictures: the same figures give the same bytes. Needs the extra ``plot``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def picture(path: Path, rows: int, columns: int, size: tuple[float, float], *, sharey: bool = False) -> Iterator[Any]:
    """A picture to draw on; written when the block ends.

    Args:
        path: Where to; its suffix says in which format.
        rows: Of panels.
        columns: Of panels.
        size: Width and height in inches.
        sharey: Panels have one scale.

    Yields:
        matplotlib's axes, ``[rows, columns]``.

    Raises:
        OSError: The file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Text as text keeps the file small and lets it be searched; names that do not change, and no date in it.
    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": "superinfer"}):
        figure, axes = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, sharey=sharey)
        yield axes
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)
