"""The mixed benchmark's loads and figures."""

import pytest
from benchmark.engine.client import Answer
from benchmark.engine.workloads import Request, Urgency
from benchmark.mixed.__main__ import Run, document, main
from benchmark.mixed.figures import figures
from benchmark.mixed.loads import Load, Targets

pytestmark = pytest.mark.unit

LOAD = Load(chat_per_s=3.0, documents_per_s=1.0, seconds=30.0)


def test_the_same_seed_makes_the_same_load_and_another_does_not():
    assert LOAD.requests(1) == LOAD.requests(1) != LOAD.requests(2)


def test_chat_shares_its_system_prompt_and_arrives_at_its_rate():
    requests = LOAD.requests(0)
    chat = [request for request in requests if request.urgency is Urgency.CHAT]
    assert 60 < len(chat) < 120
    assert len({tuple(request.prompt[:150]) for request in chat}) == 1
    assert len({tuple(request.prompt) for request in chat}) == len(chat)
    assert all(0 <= request.at_s < 30 for request in requests)


def test_twice_the_load_is_about_twice_the_requests():
    assert len(LOAD.scaled(2).requests(0)) == pytest.approx(2 * len(LOAD.requests(0)), rel=0.3)


def answer(urgency, sent_s, first_s, last_s, tokens=11):
    return Answer(Request([1] * 20, tokens, urgency=urgency), sent_s, first_s, last_s)


def test_figures():
    answers = [
        answer(Urgency.CHAT, 0.0, 1.0, 2.0),  # 1 s, 100 ms a token: on time
        answer(Urgency.CHAT, 0.0, 2.0, 3.0),  # its first token is late
        answer(Urgency.CHAT, 0.0, 1.0, 3.0),  # 200 ms a token are too many
        answer(Urgency.BATCH, 0.0, 4.0, 10.0),
    ]
    found = figures(answers, Targets(ttft_ms=1500, tpot_ms=150))
    assert found["attainment"] == pytest.approx(1 / 3)
    assert found["chat_p99_ms"] == pytest.approx(3000)
    assert found["tokens_per_s"] == pytest.approx(4 * 31 / 10)
    assert found["documents_done_s"] == pytest.approx(10)


def test_the_document_has_medians_by_point_figure_and_system():
    def run(system, point, seed, share):
        return Run(system, point, seed, {"attainment": share, "chat_p99_ms": 1.0, "tokens_per_s": 2.0})

    shares = {0: 0.5, 1: 0.9, 2: 0.7}
    found = document([run(s, p, seed, shares[seed]) for s in "ab" for p in ("knee", "overload") for seed in shares])
    assert found["knee"]["attainment"] == {"a": 0.7, "b": 0.7}
    assert set(found["overload"]) == {"attainment", "chat_p99_ms", "tokens_per_s"}
    assert len(found["runs"]) == 12


def test_an_unknown_system_is_named(capsys):
    assert main(["--systems", "rotation,nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
