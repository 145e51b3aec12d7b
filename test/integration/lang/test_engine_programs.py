"""Programs on an engine in the same process."""

import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from support import forks, lang_programs

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def elsewhere(tiny_model):
    """A process with an engine and a backend over it; runs functions of ``lang_programs`` there."""
    arguments = (str(tiny_model), dict(os.environ))
    with ProcessPoolExecutor(1, forks.context(), initializer=lang_programs.start, initargs=arguments) as pool:
        yield lambda function: pool.submit(function).result(timeout=120)
        pool.submit(lang_programs.shutdown).result(timeout=60)


def test_forks_choices_and_constraints(elsewhere):
    variables, report = elsewhere(lang_programs.run_forks)
    assert variables["digit"].strip().lstrip("+-").isdigit()
    assert variables["choice"] in ("left", "right")
    assert len(variables["tip"]) == 2
    assert [call.name for call in report.calls if call.branch == ""] == ["choice", "digit"]
    assert all(call.results for call in report.calls)
    assert {call.results[0]["class"] for call in report.calls if call.branch} == {"interactive", "batch"}
    assert report.prefix_hits >= 2
    assert "tip (fork 1)" in str(report)


def test_a_stream(elsewhere):
    chunks, text = elsewhere(lang_programs.run_stream)
    assert len(chunks) > 1
    assert "".join(chunks) == text


def test_many_runs_and_one_cancelled(elsewhere):
    lengths, aborted_in_s = elsewhere(lang_programs.run_async)
    assert len(lengths) == 20
    assert all(lengths)
    assert aborted_in_s < 10


def test_a_bad_slo_is_refused_by_the_engine(elsewhere):
    assert "no-such-class" in elsewhere(lang_programs.run_bad)


def test_the_engine_can_be_borrowed(elsewhere):
    text, model, flushed = elsewhere(lang_programs.borrow)
    assert text
    assert model
    assert flushed
