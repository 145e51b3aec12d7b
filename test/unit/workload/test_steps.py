import json
import re
from pathlib import Path

import msgspec
import pytest

from superinfer.workload.steps import MeasuredRequest, MeasuredRun, MeasuredStep, read_steps, write_steps

pytestmark = pytest.mark.unit

RUN = MeasuredRun(
    machine="2 cores",
    model="smollm2-135m",
    kv_tokens=32_768,
    steps=(
        MeasuredStep(decode_rows=3, kv_tokens=900, elapsed_us=31_000),
        MeasuredStep(prefill_tokens=512, prefill_pairs=131_328, elapsed_us=800_000),
    ),
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "run.json"
    write_steps(RUN, path)
    assert read_steps(path) == RUN


def test_counts_may_be_left_out_and_the_host_is_optional(tmp_path):
    path = tmp_path / "run.json"
    steps = [{"decode_rows": 1, "kv_tokens": 10, "elapsed_us": 5}]
    path.write_text(json.dumps({"machine": "m", "model": "n", "kv_tokens": 1, "steps": steps}))
    run = read_steps(path)
    assert run.steps == (MeasuredStep(decode_rows=1, kv_tokens=10, elapsed_us=5),)
    assert run.load_back_us_per_token is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kv_tokens": 0}, r"kv_tokens"),
        ({"steps": [{"decode_rows": 1}]}, r"elapsed_us"),
        ({"steps": [{"elapsed_us": 1, "decode_rows": -1}]}, r"decode_rows"),
        ({"steps": [{"elapsed_us": 1, "rows": 1}]}, r"rows"),
        ({"gpus": 4}, r"gpus"),
    ],
)
def test_a_bad_field_is_named_with_its_file(tmp_path, change, message):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"machine": "m", "model": "n", "kv_tokens": 1, "steps": [], **change}))
    with pytest.raises(ValueError, match=rf"run\.json: .*{message}"):
        read_steps(path)


def test_what_is_no_json(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("steps")
    with pytest.raises(ValueError, match=r"run\.json: "):
        read_steps(path)


def test_the_example_in_the_documents(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
    (example,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "run.json"
    path.write_text(example)
    run = read_steps(path)
    # A prompt of 512 tokens alone: each attends to itself and to those before it.
    assert run.steps[0].prefill_pairs == 512 * 513 // 2
    for name in {*MeasuredRun.__struct_fields__, *MeasuredStep.__struct_fields__} - {"steps"}:
        assert re.search(rf"^\| .*`{name}`.* \|", page, re.MULTILINE), name
    for name in MeasuredRequest.__struct_fields__:
        assert f"`{name}`" in page, name


def test_requests_are_kept(tmp_path):
    path, slo = tmp_path / "run.json", {"class": "interactive", "ttft_ms": 500}
    request = MeasuredRequest(at_us=7, prompt_tokens=9, output_tokens=2, slo=slo, first_us=30, last_us=40)
    run = msgspec.structs.replace(RUN, requests=(request,))
    write_steps(run, path)
    assert read_steps(path) == run


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"cached_tokens": 9}, "cached_tokens must be less than prompt_tokens"), ({"last_us": 29}, "last_us must not")],
)
def test_requests_that_cannot_be_are_refused(tmp_path, fields, message):
    path = tmp_path / "run.json"
    request = {"at_us": 0, "prompt_tokens": 9, "output_tokens": 2, "first_us": 30, "last_us": 40} | fields
    path.write_text(json.dumps({"machine": "m", "model": "n", "kv_tokens": 1, "steps": [], "requests": [request]}))
    with pytest.raises(ValueError, match=message):
        read_steps(path)
