"""What a request can ask for beside tokens comes out the same when requests are taken out all the time."""

import json
from contextlib import contextmanager

import pytest

from integration.conftest import STRICT
from integration.test_rotation import SMALL, prompts
from superinfer.config import Config, RotationConfig
from support.engine import running_engine

pytestmark = pytest.mark.integration

GREEDY = {"temperature": 0, "max_new_tokens": 24, "ignore_eos": True}
SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}}})
PROMPTS = list(prompts(4, 11))
LOGPROBS = {"return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 2}
CASES = {
    "json": {"sampling_params": {"temperature": 0, "max_new_tokens": 40, "json_schema": SCHEMA}},
    "regex": {"sampling_params": {"temperature": 0, "max_new_tokens": 40, "regex": "(ab|cd){12}"}},
    "several samples": {"sampling_params": GREEDY | {"n": 3}},
    "log-probabilities of the answer": {"sampling_params": GREEDY, "return_logprob": True, "top_logprobs_num": 2},
    "log-probabilities of the prompt": {"sampling_params": GREEDY, **LOGPROBS},
    "penalties": {"sampling_params": GREEDY | {"frequency_penalty": 0.5, "repetition_penalty": 1.2}},
    "at least so many tokens": {"sampling_params": {"temperature": 0, "max_new_tokens": 24, "min_new_tokens": 12}},
    "stop strings": {"sampling_params": {"temperature": 0, "max_new_tokens": 40, "stop": ["a", "e"]}},
}
STAYS = {
    "log-probabilities of the answer",
    "log-probabilities of the prompt",
    "penalties",
    "at least so many tokens",
}
"""What is not taken out, since it would not come back as it was."""


@contextmanager
def engine(model, rotation):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STRICT.items():
            patch.setenv(name, value)
        settings = {"slo_config": Config(rotation=rotation), "chunked_prefill_size": 32, "stream_interval": 3}
        with running_engine(model_path=str(model), **SMALL, **settings) as started:
            yield started


@pytest.fixture(scope="module")
def undisturbed(tiny_model):
    """Answers without rotation."""
    with engine(tiny_model, RotationConfig(enabled=False)) as started:
        yield {name: started.generate(input_ids=PROMPTS, **case) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def rotating(tiny_model):
    """Somebody is taken out in every other pass."""
    with engine(tiny_model, RotationConfig(force_every=2)) as started:
        yield started


def said(output):
    meta = output["meta_info"]
    logprobs = [meta.get(f"{side}_token_logprobs") for side in ("input", "output")]
    return output["output_ids"], meta["finish_reason"], [_rounded(found) for found in logprobs]


def _rounded(logprobs):
    return logprobs and [(None if value is None else round(value, 3), token) for value, token, _ in logprobs]


@pytest.mark.parametrize("name", CASES)
def test_the_same_answers_with_forced_rotation(undisturbed, rotating, name):
    outputs = rotating.generate(input_ids=PROMPTS, **CASES[name])
    assert [said(output) for output in outputs] == [said(output) for output in undisturbed[name]]
    rotations = sum(output["meta_info"]["num_retractions"] for output in outputs)
    assert rotations == 0 if name in STAYS else rotations > 0


def test_structured_answers_are_whole(rotating):
    for output in rotating.generate(input_ids=PROMPTS, **CASES["json"]):
        if output["meta_info"]["finish_reason"]["type"] == "stop":
            assert isinstance(json.loads(output["text"]), dict)


def test_a_stream_in_steps_of_three_loses_no_token(undisturbed, rotating):
    chunks = rotating.generate(input_ids=PROMPTS[0], sampling_params=GREEDY, stream=True)
    lengths = [len(chunk["output_ids"]) for chunk in chunks]
    assert chunks[-1]["meta_info"]["num_retractions"] > 0
    assert chunks[-1]["output_ids"] == undisturbed["several samples"][0]["output_ids"]
    assert lengths == sorted(lengths)
    assert len(lengths) >= 24 // 3
