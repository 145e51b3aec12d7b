"""KV goes to the host and comes back bit for bit, to whatever place is free."""

import pytest
import torch
from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool

from superinfer.srt.host.copies import copy_rows
from superinfer.srt.host.pool import CpuKVPoolHost

pytestmark = pytest.mark.integration

SLOTS, LAYERS = 64, 3


def pools(dtype, page_tokens):
    device = MHATokenToKVPool(
        SLOTS, page_tokens, dtype, head_num=2, head_dim=8, layer_num=LAYERS, device="cpu", enable_memory_saver=False
    )
    info = device.get_device_pool_infos()[0].buffer_info
    host = CpuKVPoolHost(
        info, 2.0, 0, page_tokens, "layer_first", pin_memory=False,
        device_capacity_tokens=SLOTS, start_layer=0, end_layer=LAYERS,
    )  # fmt: skip
    return device, host


@pytest.mark.parametrize("page_tokens", [1, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_round_trip(dtype, page_tokens):
    device, host = pools(dtype, page_tokens)
    buffers = [*device.k_buffer, *device.v_buffer]
    generator = torch.Generator().manual_seed(1)
    for buffer in buffers:  # all bit patterns, those of no number among them
        noise = torch.randint(0, 256, buffer.view(torch.uint8).shape, dtype=torch.uint8, generator=generator)
        buffer.view(torch.uint8).copy_(noise)
    was = torch.arange(page_tokens, 3 * page_tokens)
    kept = [buffer.view(torch.uint8)[was].clone() for buffer in buffers]
    rows = host.alloc(len(was))
    host.backup_from_device_all_layer(device, rows, was, "direct")
    for buffer in buffers:
        buffer.view(torch.uint8).zero_()
    now = torch.arange(SLOTS // 2, SLOTS // 2 + len(was)).flip(0) if page_tokens == 1 else was + 2 * page_tokens
    for layer in range(LAYERS):
        host.load_to_device_per_layer(device, rows, now, layer, "direct")
    for buffer, bits in zip(buffers, kept, strict=True):
        assert torch.equal(buffer.view(torch.uint8)[now], bits)
        others = torch.ones(len(buffer), dtype=torch.bool).index_fill(0, now, False)
        assert not buffer.view(torch.uint8)[others].any()


def test_rows_that_do_not_fit_are_refused():
    target, source = torch.zeros(4, 2), torch.zeros(4, 3)
    with pytest.raises(ValueError, match="cannot copy 2 rows"):
        copy_rows(target, torch.tensor([0, 1]), source, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="cannot copy 1 rows"):
        copy_rows(target, torch.tensor([0, 1]), target.clone(), torch.tensor([0]))
