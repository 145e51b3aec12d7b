"""The mixed benchmark's loads and figures."""

import asyncio

import pytest
from benchmark.engine.client import Answer
from benchmark.engine.workloads import Request, Urgency
from benchmark.mixed.__main__ import Run, _hopeless, document, main, parse_arguments
from benchmark.mixed.figures import figures
from benchmark.mixed.knee import KneeError, find_knee
from benchmark.mixed.loads import Load, Targets
from benchmark.mixed.plot import series

pytestmark = pytest.mark.unit

LOAD = Load(chats_per_s=2.0, agents_per_s=0.5, documents_per_s=1.0, seconds=30.0)


def test_the_same_seed_makes_the_same_load_and_another_does_not():
    assert LOAD.requests(1) == LOAD.requests(1) != LOAD.requests(2)


def test_other_words_arrive_at_the_same_times_and_are_as_long():
    some, others = LOAD.requests(1), LOAD.requests(1, "others")
    assert [(r.at_s, len(r.prompt), r.max_tokens) for r in some] == [
        (r.at_s, len(r.prompt), r.max_tokens) for r in others
    ]
    assert all(list(a.prompt) != list(b.prompt) for a, b in zip(some, others, strict=True))
    assert [a.at_s for a in LOAD.agents(1)] == [a.at_s for a in LOAD.agents(1, "others")]
    assert all(a.tools != b.tools for a, b in zip(LOAD.agents(1), LOAD.agents(1, "others"), strict=True))


def test_chat_shares_its_system_prompt_and_arrives_at_its_rate():
    requests = LOAD.requests(0)
    chat = [request for request in requests if request.urgency is Urgency.CHAT]
    assert 60 < len(chat) < 180
    assert len({tuple(request.prompt[:150]) for request in chat}) == 1
    assert len({tuple(request.prompt) for request in chat}) == len(chat)
    assert all(0 <= request.at_s < 30 for request in requests)


def test_a_turn_comes_after_the_one_before_and_repeats_it():
    requests = LOAD.requests(0)
    later = [request for request in requests if request.after is not None]
    assert {request.urgency for request in later} == {Urgency.CHAT}
    for request in later:
        assert requests.index(request.after) < requests.index(request)
        assert list(request.prompt[: len(request.after.prompt)]) == list(request.after.prompt)
        assert len(request.prompt) > len(request.after.prompt) + request.after.max_tokens


def test_agents_share_their_tools_and_are_told_other_things():
    agents = LOAD.agents(0)
    assert agents == LOAD.agents(0) != LOAD.agents(1)
    assert 5 < len(agents) < 30
    assert all(0 <= agent.at_s < 30 and len(agent.results) == 3 for agent in agents)
    assert len({agent.tools for agent in agents}) == 1
    assert len({result for agent in agents for result in agent.results}) == 3 * len(agents)


def test_one_class_has_documents_alone():
    assert {request.urgency for request in LOAD.only_documents().requests(0)} == {Urgency.BATCH}
    assert LOAD.only_documents().agents(0) == []


def test_twice_the_load_is_about_twice_the_requests():
    assert len(LOAD.scaled(2).requests(0)) == pytest.approx(2 * len(LOAD.requests(0)), rel=0.3)


def answer(urgency, sent_s, first_s, last_s, tokens=11):
    return Answer(Request([1] * 20, tokens, urgency=urgency), sent_s, first_s, last_s)


def test_figures():
    answers = [
        answer(Urgency.CHAT, 0.0, 1.0, 2.0),  # 1 s, 100 ms a token: on time
        answer(Urgency.CHAT, 0.0, 2.0, 3.0),  # its first token is late
        answer(Urgency.CHAT, 0.0, 1.0, 3.0),  # 200 ms a token are too many
        answer(Urgency.AGENT, 0.0, 4.0, 5.0),  # a step has six seconds, however they pass
        answer(Urgency.BATCH, 0.0, 4.0, 10.0),
    ]
    found = figures(answers, Targets(ttft_ms=1500, tpot_ms=150, step_ms=6000))
    assert found["attainment"] == pytest.approx(2 / 4)
    assert found["chat_attainment"] == pytest.approx(1 / 3)
    assert found["goodput_per_s"] == pytest.approx(2 / 10)
    assert found["chat_p99_ms"] == pytest.approx(3000)
    assert found["tokens_per_s"] == pytest.approx(5 * 31 / 10)
    assert found["makespan_s"] == pytest.approx(10)


def test_the_document_has_medians_by_point_figure_and_system():
    def run(system, point, seed, share):
        return Run(system, point, seed, {"attainment": share, "chat_p99_ms": 1.0, "tokens_per_s": 2.0})

    shares = {0: 0.5, 1: 0.9, 2: 0.7}
    found = document([run(s, p, seed, shares[seed]) for s in "ab" for p in ("knee", "overload") for seed in shares])
    assert found["knee"]["attainment"] == {"a": 0.7, "b": 0.7}
    assert set(found["overload"]) == {"attainment", "chat_p99_ms", "tokens_per_s"}
    assert len(found["runs"]) == 12


def test_an_unknown_system_is_named(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--systems", "fcfs,nosuch"])
    assert ended.value.code == 2
    assert "nosuch" in capsys.readouterr().err


def test_a_series_has_the_median_and_the_spread_of_each_load():
    runs = [
        {"system": "a", "point": point, "seed": seed, "figures": {"tokens_per_s": float(seed)}}
        for point in ("overload", "knee")
        for seed in (1, 2, 4)
    ]
    assert series({"runs": runs}, "tokens_per_s") == {"a": [(1.0, 2.0, 1.0, 2.0), (2.0, 2.0, 1.0, 2.0)]}


def knee_of(attainment):
    async def attained(factor):
        return attainment(factor)

    return asyncio.run(find_knee(attained))


@pytest.mark.parametrize("at", [0.11, 0.6, 0.99, 1.01, 1.7, 9.0])
def test_the_knee_is_where_a_system_keeps_78_percent(at):
    found = knee_of(lambda factor: min(1.0, max(0.0, 1 - 0.22 * (factor / at) ** 4)))
    assert found.factor == pytest.approx(at, rel=0.02)
    assert found.trials[min(found.trials)] >= 0.78 > found.trials[max(found.trials)]


def test_a_cliff_is_found_to_some_percent():
    assert knee_of(lambda factor: float(factor < 2.0)).factor == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_what_has_no_knee_is_said(kept):
    with pytest.raises(KneeError, match=f"no knee.*{kept:.0%}"):
        knee_of(lambda factor: kept)


def test_the_knee_is_that_of_a_system_that_runs(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--systems", "superinfer,vllm", "--knee-of", "fcfs"])
    assert ended.value.code == 2
    assert "--knee-of: fcfs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "knee_of", "chats_per_s", "agents_per_s"),
    [
        ([], "fcfs", 3.2, 0.5),
        (["--systems", "superinfer,vllm"], None, 3.2, 0.5),
        (["--chats-per-s", "2"], None, 2.0, 0.5),
        (["--chats-per-s", "2", "--knee-of", "stock"], "stock", 2.0, 0.5),
    ],
)
def test_the_knee_is_searched_where_no_rate_is_given(arguments, knee_of, chats_per_s, agents_per_s):
    options = parse_arguments(["--quick", *arguments])
    assert (options.knee_of, options.chats_per_s, options.agents_per_s) == (knee_of, chats_per_s, agents_per_s)
    assert "vllm-fcfs" not in options.systems


@pytest.mark.parametrize(
    ("system", "seed", "point", "spared"),
    [("a", 0, "above", True), ("a", 0, "light", False), ("a", 1, "above", False), ("b", 0, "above", False)],
)
def test_who_was_hopeless_is_spared_the_heavier_loads_of_that_seed(system, seed, point, spared):
    kept = {("a", 0): 0.04, ("a", 1): 0.06, ("b", 0): 0.9}
    runs = [Run(name, "knee", of, {"attainment": share}) for (name, of), share in kept.items()]
    runs.append(Run("b", "one_class", 0, {}))
    assert _hopeless(system, seed, point, runs, 0.05) is spared
