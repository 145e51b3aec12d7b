"""KV memory of several formats inside SGLang's server: pool, allocator, sealing, and who accepts which format."""

import torch

NUMBERS = {torch.float32: 4, torch.float16: 2, torch.bfloat16: 2}
"""Bytes of what native pages may hold."""
