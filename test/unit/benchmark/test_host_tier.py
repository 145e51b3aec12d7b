import pytest
from benchmark.host_tier import computed_tokens, parse_arguments, requests, summary

pytestmark = pytest.mark.unit

METRICS = """
# HELP sglang:prompt_tokens_total Number of prefill tokens processed.
sglang:prompt_tokens_total{is_streaming="true",model_name="m"} 900.0
sglang:prompt_tokens_total{is_streaming="false",model_name="m"} 100.0
sglang:cached_tokens_total{cache_source="device",model_name="m"} 200.0
sglang:cached_tokens_total{cache_source="host",model_name="m"} 500.0
sglang:generation_tokens_total{model_name="m"} 77.0
"""


def test_what_was_computed_was_found_in_no_cache():
    assert computed_tokens(METRICS) == 300
    assert computed_tokens("") == 0


def test_the_working_set_outgrows_the_pool_and_seeds_repeat():
    options = parse_arguments([])
    asked = requests(options, 1)
    assert [request.prompt for request in asked] == [request.prompt for request in requests(options, 1)]
    prefixes = {tuple(request.prompt[: options.document_tokens]) for request in asked}
    assert len(prefixes) == options.documents
    assert len(prefixes) * options.document_tokens > 2 * options.pool_tokens
    assert len({tuple(request.prompt) for request in asked}) == len(asked)


def test_ratios_are_within_a_round():
    def one(system, turn, ms):
        return {"system": system, "round": turn, "ttft_p50_ms": ms}

    rounds = [
        one("none", 0, 100),
        one("host", 0, 50),
        one("host", 1, 30),
        one("none", 1, 300),
        one("none", 2, 10),
        one("host", 2, 5),
    ]
    plain, host = summary(rounds)
    assert (plain["ttft_p50_ms"], plain["ttft_p50_ms_ratio"]) == (100, 1)
    assert (host["ttft_p50_ms"], host["ttft_p50_ms_ratio"]) == (30, 0.5)
