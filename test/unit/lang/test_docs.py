"""The examples of the frontend's page run, and its tables are complete."""

import re
from pathlib import Path

import pytest

import superinfer
from superinfer import SLO, function, gen
from superinfer.lang.promise import ON_LATE
from superinfer.lang.threads import MAX_AUTO_THREADS
from superinfer.lang.tracing import MIN_PREFIX_CHARS

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

PAGE = (Path(__file__).parents[3] / "docs" / "frontend.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class NoEngine:
    def shutdown(self):
        pass


@pytest.fixture
def namespace(server, monkeypatch):
    # Not setattr: it would look for the engine that it replaces, and load SGLang's runtime.
    monkeypatch.setitem(vars(superinfer), "Engine", NoEngine)
    monkeypatch.setitem(vars(superinfer), "HTTPBackend", lambda url: server)
    monkeypatch.setitem(vars(superinfer), "EngineBackend", lambda engine: server)
    return {}


def test_the_examples_run_in_their_order(server, namespace, capsys):
    for block in blocks("python"):
        exec(compile(block, "docs/frontend.md", "exec"), namespace)
    assert "calls met 1, missed 0, of 1" in capsys.readouterr().out


def test_the_example_of_branches_sends_what_the_page_says(server, namespace):
    for block in blocks("python")[:2]:
        exec(compile(block, "docs/frontend.md", "exec"), namespace)
    _, *views, verdict = server.slos
    common = {"kv": "int8", "tenant": "acme"}
    assert sorted(views, key=str) == [
        {"class": "batch", **common},
        {"class": "interactive", **common},
        {"class": "interactive", "tpot_ms": 50, **common},
    ]
    assert verdict == {"class": "interactive", "ttft_ms": 300, **common}


def test_the_sample_of_a_report_has_the_shape_of_one(server):
    state = function(lambda s: s.__iadd__("x" + gen("a"))).run(slo=SLO(deadline_ms=60_000), backend=server)
    shape = [re.sub(r"[\d.]+", "0", line) for line in str(state.slo_report()).splitlines()]
    [sample] = blocks("text")
    lines = [re.sub(r"[\d.]+", "0", line) for line in sample.splitlines()]
    assert lines[0] == shape[0].strip()
    assert lines[2].split() == shape[2].split()
    assert lines[-1] == shape[-1].strip()


def test_values_of_on_late():
    assert tuple(re.findall(r'^\| `"(\w+)"`', PAGE, re.MULTILINE)) == ON_LATE


def test_numbers():
    assert f"up to {MAX_AUTO_THREADS} at a time" in PAGE
    assert f"more than\n{MIN_PREFIX_CHARS} characters" in PAGE


def test_names_are_exported():
    assert {name for name in re.findall(r"`superinfer\.(\w+)`", PAGE) if name != "lang"} <= set(superinfer.__all__)
