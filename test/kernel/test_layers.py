"""All layers in one call against the same kernels one by one: the same bits."""

import pytest
import torch

from superinfer import kernels
from superinfer.kernels import inputs
from superinfer.kernels.layers import LayerBuffers, LayerWeights, PagedTokens, decoder_layers, list_weights, listed
from superinfer.kernels.mixed_inputs import mixed_batch
from superinfer.kv import PAGE_TOKENS, Format

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

HIDDEN, HEADS, KV_HEADS, DIM, INNER, SLOTS = 48, 4, 2, 16, 80, 64
EPS, SCALE = 1e-5, 0.25
PARTS = [HEADS * DIM, KV_HEADS * DIM, KV_HEADS * DIM]


def packed(outputs: int, width: int, seed: int) -> torch.Tensor:
    out = torch.empty(kernels.packed_shape(outputs, width))
    kernels.pack(inputs.normal(outputs, width, seed=seed) * width**-0.5, out)
    return out


def layer(seed: int, *, biases: bool) -> LayerWeights:
    def bias(width: int) -> torch.Tensor | None:
        return inputs.normal(width, seed=seed + width) if biases else None

    return LayerWeights(
        inputs.normal(HIDDEN, seed=seed),
        packed(sum(PARTS), HIDDEN, seed + 1),
        bias(sum(PARTS)),
        packed(HIDDEN, HEADS * DIM, seed + 2),
        None,
        inputs.normal(HIDDEN, seed=seed + 3),
        packed(2 * INNER, HIDDEN, seed + 4),
        None,
        packed(HIDDEN, INNER, seed + 5),
        bias(HIDDEN),
    )


def buffers(tokens: int) -> LayerBuffers:
    x, qkv = inputs.poisoned(tokens, HIDDEN), inputs.poisoned(tokens, sum(PARTS))
    q, k, v = (part.unflatten(1, (-1, DIM)) for part in qkv.split(PARTS, dim=1))
    attended = inputs.poisoned(tokens, HEADS * DIM)
    by_head = attended.unflatten(1, (HEADS, DIM))
    return LayerBuffers(
        x, qkv, q, k, v, attended, by_head, inputs.poisoned(tokens, 2 * INNER), inputs.poisoned(tokens, INNER)
    )


def step(prefix_lens: list[int], new_lens: list[int] | None) -> PagedTokens:
    """Requests with cached prefixes and new tokens, or one new token each in a decode step."""
    counts = new_lens or [1] * len(prefix_lens)
    prefixes, news = torch.tensor(prefix_lens), torch.tensor(counts)
    table = torch.arange(len(counts) * 16, dtype=torch.int32).view(len(counts), 16)
    at = [
        (row, prefix + i) for row, (prefix, new) in enumerate(zip(prefix_lens, counts, strict=True)) for i in range(new)
    ]
    indptr = torch.nn.functional.pad(news.cumsum(0), (1, 0))
    return PagedTokens(
        torch.tensor([position for _, position in at]),
        torch.tensor([int(table[row, position]) for row, position in at]),
        table,
        torch.arange(len(counts)),
        prefixes + news,
        (prefixes, indptr) if new_lens else None,
    )


def one_by_one(residual, room, tokens, weights, caches, cos_sin, windows):
    for w, (k_cache, v_cache), window in zip(weights, caches, windows, strict=True):
        kernels.rms_norm(residual, w.attention_norm, EPS, room.x)
        kernels.packed_linear(room.x, w.qkv, room.qkv, bias=w.qkv_bias)
        kernels.rope(room.q, room.k, tokens.positions, cos_sin, interleaved=False)
        kernels.kv_store(room.k, room.v, k_cache, v_cache, tokens.loc)
        place = (room.q, k_cache, v_cache, tokens.req_to_token, tokens.rows, tokens.seq_lens)
        if tokens.extends is None:
            kernels.decode_attention(*place, room.by_head, scale=SCALE, logit_cap=0.0, window=window)
        else:
            kernels.extend_attention(*place, *tokens.extends, room.by_head, scale=SCALE, logit_cap=0.0, window=window)
        kernels.packed_linear(room.attended, w.output, residual, bias=w.output_bias, accumulate=True)
        kernels.rms_norm(residual, w.mlp_norm, EPS, room.x)
        kernels.packed_linear(room.x, w.gate_up, room.gate_up, bias=w.gate_up_bias)
        kernels.silu_and_mul(room.gate_up, room.gated)
        kernels.packed_linear(room.gated, w.down, residual, bias=w.down_bias, accumulate=True)


def mixed_one_by_one(residual, room, tokens, weights, caches, cos_sin):
    for w, (k_cache, v_cache) in zip(weights, caches, strict=True):
        kernels.rms_norm(residual, w.attention_norm, EPS, room.x)
        kernels.packed_linear(room.x, w.qkv, room.qkv, bias=w.qkv_bias)
        kernels.rope(room.q, room.k, tokens.positions, cos_sin, interleaved=False)
        kernels.kv_store(room.k, room.v, k_cache, v_cache, tokens.loc)
        place = (room.q, k_cache, v_cache, tokens.slots, tokens.req_to_token, tokens.rows, tokens.seq_lens)
        if tokens.extends is None:
            kernels.mixed_decode_attention(*place, room.by_head, scale=SCALE)
        else:
            kernels.mixed_extend_attention(*place, *tokens.extends, room.by_head, scale=SCALE)
        kernels.packed_linear(room.attended, w.output, residual, bias=w.output_bias, accumulate=True)
        kernels.rms_norm(residual, w.mlp_norm, EPS, room.x)
        kernels.packed_linear(room.x, w.gate_up, room.gate_up, bias=w.gate_up_bias)
        kernels.silu_and_mul(room.gate_up, room.gated)
        kernels.packed_linear(room.gated, w.down, residual, bias=w.down_bias, accumulate=True)


def mixed_step(new_lens: list[int] | None) -> tuple[PagedTokens, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Requests whose first pages are sealed, and the caches of two layers; new tokens go to a native page."""
    heads = inputs.Heads(HEADS, KV_HEADS, DIM, DIM)
    counts = new_lens or [1, 1]
    formats = [[Format.INT8, Format.INT4, Format.NATIVE], [Format.INT4, Format.NATIVE]]
    lengths = [2 * PAGE_TOKENS + counts[0] + 3, PAGE_TOKENS + counts[1]]
    prefixes = [length - new for length, new in zip(lengths, counts, strict=True)]
    requests = list(zip(lengths, formats, strict=True))
    batches = [mixed_batch(requests, heads, prefix_lens=prefixes, seed=seed) for seed in (1, 1)]
    plain = batches[0].plain
    at = [(row, p) for row, (first, end) in enumerate(zip(prefixes, lengths, strict=True)) for p in range(first, end)]
    tokens = PagedTokens(
        torch.tensor([position for _, position in at]),
        torch.tensor([int(plain.req_to_token[plain.rows[row], position]) for row, position in at]),
        plain.req_to_token,
        plain.rows,
        plain.seq_lens,
        (plain.prefix_lens, plain.qo_indptr) if new_lens else None,
        batches[0].slots,
    )
    return tokens, [(batch.k_cache, batch.v_cache) for batch in batches]


@pytest.mark.parametrize("new_lens", [None, [3, 5]], ids=["decode", "extend"])
def test_the_same_bits_on_several_formats(new_lens):
    tokens, caches = mixed_step(new_lens)
    weights = [layer(seed, biases=True) for seed in (0, 50)]
    cos_sin = inputs.normal(4 * PAGE_TOKENS, DIM, seed=3)
    residual = inputs.normal(len(tokens.positions), HIDDEN, seed=1)
    expected, copies = residual.clone(), [tuple(cache.clone() for cache in pair) for pair in caches]
    mixed_one_by_one(expected, buffers(len(residual)), tokens, weights, copies, cos_sin)
    options = {"cos_sin": cos_sin, "interleaved": False, "eps": EPS, "scale": SCALE}
    listed_caches = listed([cache for pair in caches for cache in pair])
    decoder_layers(
        residual, buffers(len(residual)), tokens, list_weights(weights), listed_caches, windows=[-1, -1], **options
    )
    assert torch.equal(residual, expected)
    assert torch.isfinite(residual).all()
    with pytest.raises(ValueError, match="windows"):
        decoder_layers(
            residual, buffers(len(residual)), tokens, list_weights(weights), listed_caches, windows=[-1, 4], **options
        )


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("new_lens", [None, [3, 1, 5]], ids=["decode", "extend"])
def test_the_same_bits_as_one_by_one(new_lens, biases):
    tokens = step([4, 0, 9], new_lens)
    weights = [layer(seed, biases=biases) for seed in (0, 50, 100)]
    caches = [tuple(inputs.normal(SLOTS, KV_HEADS, DIM, seed=seed + i) for i in (0, 1)) for seed in (7, 8, 9)]
    cos_sin = inputs.normal(32, DIM, seed=3)
    windows = [-1, 4, -1]
    residual = inputs.normal(len(tokens.positions), HIDDEN, seed=1)
    expected, copies = residual.clone(), [tuple(cache.clone() for cache in pair) for pair in caches]
    one_by_one(expected, buffers(len(residual)), tokens, weights, copies, cos_sin, windows)
    decoder_layers(
        residual,
        buffers(len(residual)),
        tokens,
        list_weights(weights),
        listed([cache for pair in caches for cache in pair]),
        cos_sin=cos_sin,
        interleaved=False,
        windows=windows,
        eps=EPS,
        scale=SCALE,
    )
    assert torch.equal(residual, expected)
    for pair, copy in zip(caches, copies, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(pair, copy, strict=True))


def test_lists_of_the_wrong_length_are_refused():
    tokens = step([4], None)
    with pytest.raises(ValueError, match="weights and caches"):
        decoder_layers(
            inputs.normal(1, HIDDEN),
            buffers(1),
            tokens,
            list_weights([layer(0, biases=False)]),
            listed([inputs.normal(SLOTS, KV_HEADS, DIM)]),
            cos_sin=inputs.normal(32, DIM),
            interleaved=False,
            windows=[-1],
            eps=EPS,
            scale=SCALE,
        )
