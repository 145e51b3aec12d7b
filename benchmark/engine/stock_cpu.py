"""What stock SGLang needs to run on any CPU: a description of the device, and nothing that computes.

SGLang's own CPU platform needs a kernel package that is built from source. This one is independent of
SuperInfer's, so that no kernel or hook of ours can reach the server we compare with. SGLang finds it as an
installed plugin: ``write_plugin`` makes a directory that counts as one when it is on ``PYTHONPATH``.
"""

from pathlib import Path

PLATFORM = "benchmark.engine.stock_cpu_platform.StockCpuPlatform"
_NAME = "benchmark_stock_cpu"


def activate() -> str:
    """The entry point: SGLang asks it for a platform class."""
    return PLATFORM


def write_plugin(directory: Path) -> Path:
    """Make ``directory`` a place where Python's package metadata shows the platform; returns it."""
    metadata = directory / f"{_NAME}-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text(f"[sglang.srt.platforms]\nstock_cpu = {__name__}:activate\n")
    return directory
