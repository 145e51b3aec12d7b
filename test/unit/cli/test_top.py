from threading import Timer

import pytest

from superinfer.cli import main, top
from superinfer.observe.publisher import EventPublisher
from unit.cli.servers import serving
from unit.observe.histories import STORY
from unit.observe.states import state
from unit.observe.wires import ANYWHERE

pytestmark = pytest.mark.unit


@pytest.fixture
def publisher():
    publisher = EventPublisher(ANYWHERE, flush_ms=1)
    yield publisher
    publisher.close()


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def test_one_frame_of_the_state(capsys):
    with serving([state()]) as (url, _):
        assert main(["top", "--url", url, "--once"]) == 0
    shown = capsys.readouterr().out
    assert f"SuperInfer 0.1.0 at {url}" in shown
    assert "90%" in shown
    assert "tenant" not in shown


def test_one_frame_with_events(publisher, capsys):
    timer = Timer(0.5, lambda: [publisher.emit(event) for event in STORY])
    timer.start()
    with serving([state()]) as (url, _):
        assert main(["top", "--url", url, "--events", publisher.endpoint, "--interval-s", "1.5", "--once"]) == 0
    timer.join()
    shown = capsys.readouterr().out
    assert "1 displaced" in shown
    assert "acme" in shown


def test_the_key_is_sent():
    with serving([state()]) as (url, seen):
        main(["top", "--url", url, "--api-key", "secret", "--once"])
    assert seen[0]["Authorization"] == "Bearer secret"


def test_it_goes_on_until_interrupted(monkeypatch, capsys):
    frames = []

    class Screen:
        def __init__(self, first, **_):
            frames.append(first)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, frame, **_):
            frames.append(frame)
            if len(frames) == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr(top, "Live", Screen)
    with serving([state()]) as (url, seen):
        assert main(["top", "--url", url, "--interval-s", "0.01"]) == 0
    assert len(seen) == 4


def test_a_server_that_falls_silent_leaves_the_last_picture_and_a_word(capsys):
    with serving([state(), 503, state()]) as (url, _), top.httpx.Client(base_url=url) as client:
        watch = top.Watch(client, None)
        for trouble in (True, False):
            watch.next_frame(0.01)
            top.Console().print(watch.frame())
            shown = capsys.readouterr().out
            assert ("answers 503" in shown) == trouble
            assert "90%" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "http://127.0.0.1:9"], "http://127.0.0.1:9 does not answer: "),
        (["--url", "nowhere"], "does not answer: "),
        (["--events", "nowhere"], "events cannot be read from nowhere: "),
    ],
)
def test_what_cannot_be_watched_is_one_line_and_exit_status_2(arguments, message, capsys):
    assert main(["top", *arguments, "--once"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("superinfer top: ")
    assert message in shown
    assert shown.count("\n") == 1


def test_a_server_that_refuses_is_an_error(capsys):
    with serving([401]) as (url, _):
        assert main(["top", "--url", url]) == 2
    assert f"{url}/superinfer/state answers 401 Unauthorized" in capsys.readouterr().err


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "inf", "soon"])
def test_intervals_are_positive(interval, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["top", "--interval-s", interval])
    assert caught.value.code == 2
    assert "must be a positive number of seconds" in capsys.readouterr().err
