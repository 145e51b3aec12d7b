from threading import Timer

import pytest

from superinfer.cli import main
from superinfer.observe import publisher as module
from superinfer.observe.events import Step
from superinfer.observe.publisher import EventPublisher
from superinfer.workload.steps import MeasuredRequest, MeasuredStep, read_steps
from unit.cli.servers import serving
from unit.observe.histories import STORY
from unit.observe.states import scheduler, state
from unit.observe.wires import ANYWHERE

pytestmark = pytest.mark.unit

STEPS = [Step(1_000, 2, 300, 0, 900), Step(2_000, 2, 302, 40, 1_500, 1_600), Step(3_000, 0, 0, 0, 0)]


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    publisher = EventPublisher(ANYWHERE, flush_ms=1)
    yield publisher
    publisher.close()


def record(url, publisher, out, *more):
    return main(["record", "--url", url, "--events", publisher.endpoint, "--seconds", "1.2", "--out", str(out), *more])


def test_it_writes_what_the_simulator_reads(publisher, tmp_path, capsys):
    out = tmp_path / "run.json"
    timer = Timer(0.5, lambda: [publisher.emit(event) for event in [*STEPS, *STORY]])
    timer.start()
    settings = {"max_step_us": 5_000}
    told = state(scheduler(rotation={"total": 1, "settings": settings}))
    with serving([told]) as (url, _):
        assert record(url, publisher, out, "--machine", "a laptop") == 0
    timer.join()
    run = read_steps(out)
    assert (run.machine, run.model, run.kv_tokens) == ("a laptop", "SmolLM2", 32_768)
    assert (run.rotation, run.classes) == (settings, ("interactive", "standard", "batch"))
    assert run.steps[:2] == (
        MeasuredStep(decode_rows=2, kv_tokens=300, elapsed_us=900),
        MeasuredStep(decode_rows=2, kv_tokens=302, prefill_tokens=40, prefill_pairs=1_600, elapsed_us=1_500),
    )
    assert run.requests == (
        MeasuredRequest(
            at_us=0,
            prompt_tokens=300,
            cached_tokens=20,
            output_tokens=20,
            slo={"class": "interactive", "ttft_ms": 500},
            first_us=2_500,
            last_us=4_000,
        ),
    )
    assert capsys.readouterr().out == f"{out}: 4 steps, 1 requests from arrival to end, 2 others, 0 gaps\n"


def test_an_idle_server_is_one_line_and_exit_status_2(publisher, tmp_path, capsys):
    out = tmp_path / "run.json"
    with serving([state()]) as (url, _):
        assert record(url, publisher, out) == 2
    assert capsys.readouterr().err == "superinfer record: no step was recorded: was the server idle?\n"
    assert not out.exists()


def test_a_scheduler_without_a_state_is_an_error(publisher, tmp_path, capsys):
    with serving([state() | {"schedulers": [None]}]) as (url, _):
        assert record(url, publisher, tmp_path / "run.json") == 2
    assert "does not tell its state" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(publisher, tmp_path, capsys):
    timer = Timer(0.5, lambda: publisher.emit(STEPS[0]))
    timer.start()
    with serving([state()]) as (url, _):
        assert record(url, publisher, tmp_path) == 2
    timer.join()
    assert f"{tmp_path}: cannot be written: " in capsys.readouterr().err
