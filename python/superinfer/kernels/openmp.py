"""One OpenMP runtime in the process.

Torch brings its own libgomp. A second copy would be a second pool of threads, and the two would spin against
each other on the same cores. The kernels are therefore linked without libgomp and use the one already loaded.
"""

import ctypes
from pathlib import Path

from superinfer.kernels.errors import KernelsUnavailable

MAPS = Path("/proc/self/maps")


def mapped_runtimes() -> list[Path]:
    """The files of all libgomp copies in this process."""
    paths = {line.split(maxsplit=5)[5] for line in MAPS.read_text().splitlines() if "libgomp" in line}
    return [Path(path) for path in sorted(paths)]


def share_runtime() -> Path:
    """Make the OpenMP functions of torch's libgomp visible to libraries loaded later.

    Returns:
        The runtime's file; the system's libgomp if torch was built without one.

    Raises:
        KernelsUnavailable: There is no libgomp at all.
    """
    import torch  # noqa: F401  its libgomp must be there before we look for it

    # Other packages bring copies too (scikit-learn does): torch's is the one whose threads we want.
    mapped = sorted(mapped_runtimes(), key=lambda path: "torch" not in str(path))
    runtime = mapped[0] if mapped else Path("libgomp.so.1")
    try:
        ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise KernelsUnavailable(f"no OpenMP runtime: {error}") from error
    return runtime
