import json
from threading import Timer

import pytest

from superinfer.cli import main
from superinfer.cli.connection import until_interrupted
from superinfer.observe import publisher as module
from superinfer.observe.publisher import EventPublisher
from unit.observe.histories import STORY
from unit.observe.wires import ANYWHERE

pytestmark = pytest.mark.unit


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    publisher = EventPublisher(ANYWHERE, flush_ms=1)
    yield publisher
    publisher.close()


def test_it_writes_a_trace(publisher, tmp_path, capsys):
    out = tmp_path / "trace.json"
    timer = Timer(0.5, lambda: [publisher.emit(event) for event in STORY])
    timer.start()
    assert main(["trace", "--events", publisher.endpoint, "--seconds", "1.5", "--out", str(out)]) == 0
    timer.join()
    names = {event["name"] for event in json.loads(out.read_text())["traceEvents"]}
    assert {"waiting", "prefill", "running", "parked", "rotated: displaced", "batch rows", "KV tokens"} <= names
    assert capsys.readouterr().out == f"{out}: {len(STORY)} events, 0 gaps\n"


def test_an_idle_server_is_a_trace_without_events(publisher, tmp_path, capsys):
    out = tmp_path / "trace.json"
    assert main(["trace", "--events", publisher.endpoint, "--seconds", "0.5", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 0 events, 0 gaps\n"


def test_an_interruption_ends_the_recording_and_keeps_what_there_is():
    def interrupted():
        yield 1
        raise KeyboardInterrupt

    assert list(until_interrupted(interrupted())) == [1]


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("tcp://127.0.0.1:9", "nothing is published on tcp://127.0.0.1:9"),
        ("nowhere", "events cannot be read from nowhere"),
    ],
)
def test_what_cannot_be_recorded_is_one_line_and_exit_status_2(endpoint, message, tmp_path, capsys):
    out = tmp_path / "trace.json"
    assert main(["trace", "--events", endpoint, "--seconds", "0.2", "--out", str(out)]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"superinfer trace: {message}")
    assert shown.count("\n") == 1
    assert not out.exists()


def test_a_file_that_cannot_be_written_is_named(publisher, tmp_path, capsys):
    assert main(["trace", "--events", publisher.endpoint, "--seconds", "0.3", "--out", str(tmp_path)]) == 2
    assert f"{tmp_path}: cannot be written: " in capsys.readouterr().err
