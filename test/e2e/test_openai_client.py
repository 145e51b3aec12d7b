"""The official OpenAI client against SmolLM2, with SLOs."""

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI

pytestmark = pytest.mark.e2e

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SLO = {"class": "interactive", "ttft_ms": 60_000, "tpot_ms": 60_000}
MODEL = "SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def client(base_url):
    return OpenAI(base_url=f"{base_url}/v1", api_key="none", max_retries=0)


def test_the_model_is_listed_under_its_name(client):
    assert [model.id for model in client.models.list()] == [MODEL]


def test_the_capital_of_france_is_paris(client):
    reply = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=32, extra_body={"slo": SLO}
    )
    assert "Paris" in reply.choices[0].message.content
    assert reply.slo["outcome"] == "met"
    assert reply.slo["class"] == "interactive"


def test_streaming_ends_with_the_outcome(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=32, stream=True, extra_body={"slo": SLO}
    )
    *chunks, last = stream
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert last.choices == []
    assert last.slo["outcome"] == "met"


def test_headers_of_a_router_and_service_tier(client):
    reply = client.completions.with_raw_response.create(
        model=MODEL,
        prompt="Once upon a time",
        max_tokens=4,
        extra_headers={"x-llm-d-slo-ttft-ms": "90000"},
        extra_body={"service_tier": "priority"},
    )
    assert reply.headers["x-superinfer-slo-class"] == "interactive"
    assert reply.headers["x-superinfer-slo-ttft-ms"] == "90000"
    assert reply.headers["x-superinfer-outcome"] in ("met", "missed")


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_slo_is_a_bad_request(client, stream):
    with pytest.raises(BadRequestError, match=r"slo\.ttft_ms") as caught:
        client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=stream, extra_body={"slo": {"ttft_ms": "soon"}}
        )
    assert caught.value.body["param"] == "slo.ttft_ms"


async def test_the_async_client(base_url):
    async with AsyncOpenAI(base_url=f"{base_url}/v1", api_key="none") as client:
        reply = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=2, extra_body={"slo": {"class": "batch"}}
        )
    assert reply.slo["class"] == "batch"
