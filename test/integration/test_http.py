"""SLOs over HTTP on the real engine: every carrier in, the outcome out."""

import json

import pytest

pytestmark = pytest.mark.integration

GREEDY = {"temperature": 0, "max_new_tokens": 6, "ignore_eos": True}


def generate(server, slo=None, headers=None, **body):
    params = GREEDY | ({"custom_params": {"slo": slo}} if slo else {})
    with server.client() as client:
        response = client.post(
            "/generate", json={"text": "hello", "sampling_params": params} | body, headers=headers or {}
        )
    assert response.status_code == 200, response.text
    return response


def sse(response):
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_generate_reports_promise_and_outcome(server):
    report = generate(server, {"class": "interactive", "ttft_ms": 30_000}).json()["meta_info"]["slo"]
    assert report["class"] == "interactive"
    assert report["targets"]["ttft_ms"] == 30_000
    assert 0 < report["ttft_ms"] <= report["e2e_ms"]
    assert 0 < report["mean_tpot_ms"] <= report["max_tpot_ms"]
    assert report["slack_ms"]["ttft_ms"] == pytest.approx(30_000 - report["ttft_ms"], abs=0.01)
    assert report["outcome"] in ("met", "missed")


def test_a_promise_that_cannot_be_kept_is_reported_missed(server):
    report = generate(server, {"ttft_ms": 1}).json()["meta_info"]["slo"]
    assert report["outcome"] == "missed"
    assert report["slack_ms"]["ttft_ms"] < 0


def test_no_slo_is_the_standard_class_with_nothing_to_miss(server):
    report = generate(server).json()["meta_info"]["slo"]
    assert (report["class"], report["outcome"]) == ("standard", "none")


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-llm-d-slo-ttft-ms": "7000"}, {"slo": {"ttft_ms": 9000}}, {"ttft_ms": 7000}),
        ({"x-slo-tpot-ms": "90"}, {}, {"tpot_ms": 90}),
        ({"x-llm-d-slo-tpot-ms": "80", "x-slo-tpot-ms": "90"}, {}, {"tpot_ms": 80}),
        ({}, {"slo": {"deadline_ms": 60_000}}, {"deadline_ms": 60_000}),
    ],
)
def test_carriers_outside_the_sampling_parameters(server, headers, body, expected):
    targets = generate(server, headers=headers, **body).json()["meta_info"]["slo"]["targets"]
    assert expected.items() <= targets.items()


def test_class_from_gateway_header_and_service_tier(server):
    assert generate(server, headers={"x-smg-priority": "bulk"}).headers["x-superinfer-slo-class"] == "batch"
    assert generate(server, service_tier="flex").headers["x-superinfer-slo-class"] == "batch"


def test_one_slo_per_prompt_of_a_batch(server):
    params = [GREEDY | {"custom_params": {"slo": name}} for name in ("interactive", "batch")]
    outputs = generate(server, text=["one", "two"], sampling_params=params).json()
    assert [output["meta_info"]["slo"]["class"] for output in outputs] == ["interactive", "batch"]


def test_generate_stream_carries_the_outcome_in_its_last_event(server):
    events = sse(generate(server, {"class": "interactive"}, stream=True))
    assert "slo" not in events[0]["meta_info"]
    assert events[-1]["meta_info"]["slo"]["class"] == "interactive"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("carrier", ["slo", "custom_params"])
def test_openai_routes(server, path, carrier):
    slo = {"class": "batch", "deadline_ms": 60_000}
    body = {"model": "m", "temperature": 0, "max_tokens": 5, "ignore_eos": True}
    body |= {"prompt": "hi"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "hi"}]}
    body |= {"slo": slo} if carrier == "slo" else {"custom_params": {"slo": slo}}
    with server.client() as client:
        whole = client.post(path, json=body)
        streamed = client.post(path, json=body | {"stream": True})
    assert whole.json()["slo"]["outcome"] == whole.headers["x-superinfer-outcome"]
    assert int(whole.headers["content-length"]) == len(whole.content)
    events = sse(streamed)
    assert events[-1]["slo"]["class"] == "batch"
    assert events[-1]["choices"] == []
    assert {event["id"] for event in events} == {events[-1]["id"]}
    assert streamed.headers["x-superinfer-slo-deadline-ms"] == "60000"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slo": {"ttft_ms": -1}}, "slo.ttft_ms"),
        ({"slo": {"ttft": 1}}, "slo.ttft"),
        ({"slo": {"class": "platinum"}}, "slo.class"),
        ({"slo": {"ttft_ms": 500, "deadline_ms": 100}}, "slo.deadline_ms"),
        ({"sampling_params": {"custom_params": {"slo": {"kv": "int3"}}}}, "custom_params.slo.kv"),
        ({"slo": {"tpot_ms": 10}, "sampling_params": {"custom_params": {"slo": {"tpot_ms": 20}}}}, "slo.tpot_ms"),
        ({"service_tier": 3}, "service_tier"),
    ],
)
def test_a_bad_slo_is_a_400_that_names_the_field(server, body, field, stream):
    with server.client() as client:
        response = client.post("/generate", json={"text": "x", "stream": stream} | body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field
    assert field in response.json()["error"]["message"]


def test_a_tenant_may_not_leave_its_classes(overlap_server):
    report = generate(overlap_server, {"class": "gold", "tenant": "cheap", "ttft_ms": 5}).json()["meta_info"]["slo"]
    assert report["class"] == "batch"
    assert "ttft_ms" not in report["targets"]


def test_the_classes_file_defines_classes(overlap_server):
    report = generate(overlap_server, "gold").json()["meta_info"]["slo"]
    assert report["targets"] == {"ttft_ms": 800, "tpot_ms": 50}


def test_our_routes_need_the_api_key(paged_server):
    with paged_server.client() as client:
        assert client.get("/superinfer/state").status_code == 200
        assert client.get("/superinfer/state", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_state_shows_hooks_and_outcomes(server):
    generate(server, "batch")
    with server.client() as client:
        state = client.get("/superinfer/state").json()
    (scheduler,) = state["schedulers"]
    assert all(state["hooks"].values())
    assert all(scheduler["hooks"].values())
    assert scheduler["scheduler"] == "RotatingScheduler"
    assert scheduler["outcomes"]["batch"]["none"] >= 1


def test_metrics_count_outcomes_and_leave_sglangs_alone(overlap_server):
    def scrape():
        with overlap_server.client() as client:
            lines = client.get("/metrics").text.splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}

    def total(samples, name, **labels):
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(v for k, v in samples.items() if k.startswith(name + "{") and all(w in k for w in wanted))

    before = scrape()
    generate(overlap_server, {"class": "interactive", "ttft_ms": 60_000, "tpot_ms": 60_000})
    generate(overlap_server, {"class": "interactive", "ttft_ms": 1})
    after = scrape()
    for outcome in ("met", "missed"):
        labels = {"slo_class": "interactive", "outcome": outcome}
        name = "superinfer:slo_requests_total"
        assert total(after, name, **labels) == total(before, name, **labels) + 1
    assert total(after, "superinfer:slo_first_token_slack_seconds_count") >= 2
    assert total(after, "sglang:num_requests_total") == total(before, "sglang:num_requests_total") + 2
