"""Greedy sampling on the CPU: when our kernel does it, and that it chooses as SGLang does."""

from types import SimpleNamespace

import pytest
import torch
from sglang.srt.layers.sampler import Sampler

from superinfer import kernels
from superinfer.srt.sampler import CpuSampler

pytestmark = pytest.mark.integration


class Counting(CpuSampler):
    """A sampler without a server; remembers whether SGLang's own was asked."""

    def __init__(self, monkeypatch):
        torch.nn.Module.__init__(self)
        self.asked = 0
        monkeypatch.setattr(Sampler, "forward", self.stock)

    def stock(self, logits_output, sampling_info, return_logprob):
        self.asked += 1
        return logits_output.next_token_logits.argmax(-1)


def sampling(*, greedy=True, mask=None):
    return SimpleNamespace(
        is_all_greedy=greedy, sampling_mask_batch_indices=mask, has_custom_logit_processor=False, grammars=None
    )


@pytest.fixture
def sampler(monkeypatch):
    return Counting(monkeypatch)


def logits_of(logits):
    return SimpleNamespace(next_token_logits=logits)


@pytest.mark.skipif(not kernels.available(), reason=str(kernels.unavailable_reason()))
def test_greedy_tokens_are_those_of_argmax_and_sglang_is_not_asked(sampler):
    logits = torch.randn(5, 1009, generator=torch.Generator().manual_seed(1))
    logits[2, 7] = logits[2, 900] = 9.0  # of equals, the first
    tokens = sampler(logits_of(logits), sampling(), False)
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == logits.argmax(-1).tolist()
    assert tokens[2] == 7
    assert sampler.asked == 0


@pytest.mark.parametrize(
    ("info", "return_logprob", "dtype"),
    [
        (sampling(greedy=False), False, torch.float32),
        (sampling(), True, torch.float32),
        (sampling(mask=torch.tensor([0])), False, torch.float32),
        (sampling(), False, torch.bfloat16),
    ],
    ids=["random", "log-probabilities", "mask", "half precision"],
)
def test_everything_else_is_sglangs(sampler, info, return_logprob, dtype):
    sampler(logits_of(torch.randn(2, 8).to(dtype)), info, return_logprob)
    assert sampler.asked == 1
