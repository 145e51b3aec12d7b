"""Greedy sampling by our kernel; everything else is SGLang's."""

from typing import Any

import torch
from sglang.srt.layers.sampler import Sampler, register_sampler_backend

from superinfer import kernels

REPLACED = "pytorch"
"""The sampling backend of the CPU. It keeps its name: SGLang asks for it by name where it samples at random."""


class CpuSampler(Sampler):
    """SGLang's sampler; where all requests of a step are greedy, torch's argmax takes five times as long as ours."""

    def forward(
        self, logits_output: Any, sampling_info: Any, return_logprob: bool, *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Next token of each request, int64 ``[requests]``."""
        logits = logits_output.next_token_logits
        plain = sampling_info.is_all_greedy and not return_logprob and sampling_info.sampling_mask_batch_indices is None
        if not (plain and logits.dtype is torch.float32 and logits.stride(-1) == 1):
            sampled: torch.Tensor = super().forward(logits_output, sampling_info, return_logprob, *args, **kwargs)
            return sampled
        logits = self._preprocess_logits(logits, sampling_info)
        tokens = torch.empty(len(logits), dtype=torch.int64)
        kernels.argmax(logits, tokens)
        self._sync_token_ids_across_tp(tokens, sampling_info)
        return tokens


def register() -> None:
    """Take the place of SGLang's sampler on the CPU, in this process."""
    register_sampler_backend(REPLACED, CpuSampler)
