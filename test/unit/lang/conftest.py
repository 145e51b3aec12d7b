import pytest

from superinfer.lang import defaults
from unit.lang.fake import Clock, FakeServer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    server = FakeServer(clock)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_default_backend(monkeypatch):
    monkeypatch.setattr(defaults, "_default", None)
