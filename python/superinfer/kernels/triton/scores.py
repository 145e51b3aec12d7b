"""Scores and their softmax: what both kinds of attention do with a block of keys."""

# mypy: disable-error-code="untyped-decorator"
import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl

EVERYTHING = 2**31 - 1
TYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How products of queries and keys become scores in powers of two.

    Attributes:
        factor: Of the products.
        cap: Of the hyperbolic tangent; 0 for none.
        window: Keys a query sees, its own included.
    """

    factor: float
    cap: float
    window: int


def options(scale: float, logit_cap: float, window: int) -> ScoreOptions:
    """Fold the base of the exponential into the factors: a GPU has ``exp2`` only."""
    seen = EVERYTHING if window < 0 else min(window, EVERYTHING)
    if logit_cap > 0:
        return ScoreOptions(scale / logit_cap, logit_cap * math.log2(math.e), seen)
    return ScoreOptions(scale * math.log2(math.e), 0.0, seen)


def operand(q: torch.Tensor, cache: torch.Tensor) -> torch.dtype:
    """The dtype in which queries, keys, weights and values are multiplied."""
    return cache.dtype if q.dtype == cache.dtype else torch.float32


@triton.jit
def capped(products: tl.tensor, factor: tl.tensor, cap: tl.tensor, CAPPED: tl.constexpr) -> tl.tensor:
    """Scores of products."""
    scores = products * factor
    if CAPPED:
        # tanh(x) = 1 - 2 / (e^2x + 1), right at both infinities; 2.885... is 2 log2(e).
        scores = cap * (1.0 - 2.0 / (tl.exp2(scores * 2.8853900817779268) + 1.0))
    return scores


@triton.jit
def accumulate(
    scores: tl.tensor, values: tl.tensor, weighted: tl.tensor, peak: tl.tensor, total: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Add a block of keys to the weighted values, the largest score and the sum of weights of each row."""
    higher = tl.maximum(peak, tl.max(scores, 1))
    # A row that has seen no key yet must not subtract infinities.
    reference = tl.where(higher == float("-inf"), 0.0, higher)
    weights = tl.exp2(scores - reference[:, None])
    decay = tl.exp2(peak - reference)
    weighted = tl.dot(weights.to(values.dtype), values, weighted * decay[:, None], input_precision="ieee")
    return weighted, higher, total * decay + tl.sum(weights, 1)
