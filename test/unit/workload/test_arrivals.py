from itertools import pairwise

import pytest

from superinfer.slo import SLO
from superinfer.workload.arrivals import begun_anywhere, merged, poisson, promised, read_trace, scaled
from superinfer.workload.promises import by_prompt

pytestmark = pytest.mark.unit

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
"""
MOONCAKE = """{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}
{"timestamp": 3000, "input_length": 10, "output_length": 0, "hash_ids": []}
"""


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_azure(tmp_path):
    first, second = read_trace(write(tmp_path, "a.csv", AZURE))
    assert (first.at_us, first.prompt_tokens, first.output_tokens) == (0, 374, 44)
    assert second.at_us == 4_314_579


def test_mooncake_answers_have_at_least_a_token(tmp_path):
    first, second = read_trace(write(tmp_path, "m.jsonl", MOONCAKE))
    assert (first.prompt_tokens, first.output_tokens) == (6758, 500)
    assert (second.at_us, second.output_tokens) == (3_000_000, 1)


def test_mooncake_prompts_say_what_they_share(tmp_path):
    first, second = read_trace(write(tmp_path, "m.jsonl", MOONCAKE))
    assert (first.prefix, second.prefix) == ((0, 1), ())


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.csv", AZURE + "yesterday,1,2\n", "line 4"),
        ("a.csv", "time,tokens\n1,2\n", "line 2"),
        ("m.jsonl", MOONCAKE + "{}\n", "line 3"),
        ("m.jsonl", "not json\n", "line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, text, line):
    with pytest.raises(ValueError, match=line):
        read_trace(write(tmp_path, name, text))


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv \(Azure\) or \.jsonl"):
        read_trace(tmp_path / "trace.parquet")


def test_poisson_has_its_rate_and_follows_from_its_seed():
    load = poisson(5, 1000, 300, 30, seed=1)
    assert len(load) == pytest.approx(5000, rel=0.05)
    assert load == poisson(5, 1000, 300, 30, seed=1)
    assert load != poisson(5, 1000, 300, 30, seed=2)
    assert poisson(0, 1000, 300, 30, seed=1) == []


def test_scaling_changes_speed_and_cuts():
    load = poisson(5, 100, 300, 30, seed=1)
    slow = scaled(load, 0.5, 100)
    assert [arrival.at_us for arrival in slow[:3]] == [2 * arrival.at_us for arrival in load[:3]]
    assert all(arrival.at_us < 100e6 for arrival in slow)
    with pytest.raises(ValueError, match="positive"):
        scaled(load, 0, 100)


def test_merging_is_by_time():
    load = merged(poisson(5, 10, 300, 30, seed=1), poisson(5, 10, 100, 10, seed=2))
    assert [a.at_us for a in load] == sorted(a.at_us for a in load)


def test_promises():
    load = poisson(5, 10, 300, 30, seed=1)
    assert all(a.slo == SLO(cls="batch") for a in promised(load, SLO(cls="batch")))
    short, long = (
        by_prompt(load[:1], lambda tokens, us=us: us, ttft_ms=1000, tpot_ms=100)[0] for us in (1000, 900_000)
    )
    assert (short.slo.ttft_ms, long.slo.ttft_ms, long.slo.tpot_ms) == (1000, 2700, 100)


def test_a_load_begun_anywhere_is_the_same_requests_at_the_same_distances():
    load = poisson(2.0, 50, 100, 10, seed=0)
    begun = begun_anywhere(load, seed=3)
    assert begun[0].at_us == 0
    assert begun != load
    assert begun == begun_anywhere(load, seed=3)
    gaps, begun_gaps = ([after.at_us - at.at_us for at, after in pairwise(some)] for some in (load, begun))
    # One gap is not there any more, and the end is followed by the beginning.
    assert sorted([*begun_gaps, *set(gaps).difference(begun_gaps)]) == sorted([*gaps, 1 + load[0].at_us])
    assert begun_anywhere([], seed=0) == []
