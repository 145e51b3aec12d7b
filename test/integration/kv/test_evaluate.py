"""``superinfer eval kv`` on a tiny random model: what it feeds, what it seals, what it writes."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from superinfer.cli import main
from superinfer.kv import PAGE_TOKENS, Format
from superinfer.kv.codec import key_numbers, seal_keys, seal_values, value_numbers
from superinfer.kv.evaluate import Evaluation, Inputs, Size, build_inputs
from superinfer.kv.planted import FACTOR, plant
from superinfer.kv.sealed_cache import SCHEMES, SealedCache

pytestmark = pytest.mark.integration

TEXT = " ".join(f"line {i} of a text that goes on" for i in range(2000))


@pytest.fixture
def model(tiny_model: Path):
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path):
    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, 200, (2, 128), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_native_in_float32_is_the_model_itself(model, ids):
    expected = model(ids).logits
    cache = SealedCache(SCHEMES["native"], torch.float32)
    pieces = [model(piece, past_key_values=cache, use_cache=True).logits for piece in ids.split(PAGE_TOKENS, 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), expected, rtol=1e-4, atol=1e-4)


def test_pages_are_sealed_with_the_servers_codes_when_tokens_after_them_arrive():
    cache = SealedCache(SCHEMES["int4"], torch.bfloat16)
    generator = torch.Generator().manual_seed(0)
    k, v = (torch.randn(1, 2, 4 * PAGE_TOKENS, 16, generator=generator).bfloat16().float() for _ in range(2))
    for first in range(0, k.shape[2], PAGE_TOKENS):
        tokens = slice(first, first + PAGE_TOKENS)
        keys, values = cache.update(k[:, :, tokens], v[:, :, tokens], 0)
    for page, fmt in enumerate((Format.INT8, Format.INT4, Format.INT4, Format.NATIVE)):
        tokens = slice(page * PAGE_TOKENS, (page + 1) * PAGE_TOKENS)
        native_k, native_v = k[:, :, tokens], v[:, :, tokens]
        if fmt is not Format.NATIVE:
            native_k = key_numbers(seal_keys(native_k, fmt.bits))
            native_v = value_numbers(seal_values(native_v, fmt.bits), 16)
        assert torch.equal(keys[:, :, tokens], native_k)
        assert torch.equal(values[:, :, tokens], native_v)
    keys_error, values_error = cache.errors[0].relative
    assert 0.01 < keys_error < 0.2
    assert 0.01 < values_error < 0.2


@torch.no_grad()
def test_planting_changes_keys_and_not_the_output(model, ids):
    expected = model(ids).logits
    before = model.model.layers[0].self_attn.k_proj.weight.clone()
    plant(model)
    torch.testing.assert_close(model(ids).logits, expected, rtol=1e-3, atol=1e-4)
    rows = (model.model.layers[0].self_attn.k_proj.weight / before).median(1).values
    heads = model.config.num_key_value_heads
    assert int((rows > FACTOR / 2).sum()) == 4 * heads
    assert int((rows < 2).sum()) == len(rows) - 4 * heads


def test_only_what_can_be_planted_is(model):
    model.model.layers[0].self_attn.q_norm = torch.nn.Identity()
    with pytest.raises(ValueError, match="outliers can be planted only where"):
        plant(model)


def test_needles_end_with_the_fact_that_is_hidden_in_them(tokenizer):
    inputs = build_inputs(tokenizer, TEXT, Size(windows=1, tokens=128, needles=3))
    assert inputs.windows.shape == (1, 128)
    assert inputs.needles.shape == (3, 128)
    for ids, answer in zip(inputs.needles.tolist(), inputs.answers, strict=True):
        text = tokenizer.decode(ids)
        fact = text[text.rindex("The secret number") :]
        assert text.count(fact) == 2
        assert fact.endswith(tokenizer.decode(ids[-answer:]))


@pytest.mark.parametrize(
    ("size", "message"),
    [(Size(tokens=100), "tokens must be a multiple of 32"), (Size(windows=10**5), "fewer than the")],
)
def test_what_cannot_be_measured_is_named(tokenizer, size, message):
    with pytest.raises(ValueError, match=message):
        build_inputs(tokenizer, TEXT, size)


def test_a_needle_is_found_only_if_every_token_is(model, ids):
    evaluation = Evaluation(model, Inputs(ids, ids, [3, 3]), torch.bfloat16)
    quality = evaluation.measure(SCHEMES["native"])
    assert quality.agreement == 1
    assert quality.needle == 0  # a random model repeats nothing


def test_the_command_writes_what_it_measured(tiny_model, tmp_path, capsys):
    text, target = tmp_path / "text.txt", tmp_path / "out.json"
    text.write_text(TEXT)
    size = ["--windows", "1", "--tokens", "128", "--needles", "1", "--text", str(text)]
    assert (
        main(["eval", "kv", "--model", str(tiny_model), "--formats", "int4,mixed", *size, "--json", str(target)]) == 0
    )
    figures = json.loads(target.read_text())
    for part in (figures, figures["planted"]):
        for field in ("perplexity", "agreement", "needle", "key_errors", "value_errors"):
            assert list(part[field]) == ["native", "int4", "mixed"]
        assert part["agreement"]["native"] == 1
        assert part["key_errors"]["native"] == [0.0] * len(part["key_errors"]["int4"])
    assert figures["memory"]["bytes_per_token"]["int4"] < figures["memory"]["bytes_per_token"]["native"]
    assert "planted outliers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--formats", "int2"], "--formats: 'int2' is not one of native, int8"),
        (["--model", "nowhere"], "--model: nowhere is not a directory"),
        (["--text", "nowhere.txt", "--model", "."], "text nowhere.txt: cannot be read"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, capsys):
    assert main(["eval", "kv", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"superinfer eval: {message}")
