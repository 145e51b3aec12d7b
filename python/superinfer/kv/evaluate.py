"""What sealed pages cost in quality: perplexity, greedy agreement, recall of a needle, error of what is stored.

Tokens are fed a page at a time and the open page is native, so that every token sees just what it would see had it been
decoded by the server: sealed pages before its own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from superinfer.kv.formats import PAGE_TOKENS
from superinfer.kv.sealed_cache import Scheme, SealedCache
from superinfer.kv.text import needle

DEPTHS = (0.1, 0.3, 0.5, 0.7)
"""Where needles lie, as shares of the text before the question."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        windows: Pieces of text, computed together.
        tokens: Of a piece, a multiple of the page.
        needles: Pieces with a needle.
    """

    windows: int = 4
    tokens: int = 1024
    needles: int = 8


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of one scheme.

    Attributes:
        perplexity: On the text.
        agreement: Share of positions where the likeliest next token is that of the native run.
        needle: Share of needles that are repeated to the last token.
        key_errors: Of each layer, root mean square error of stored keys relative to native ones.
        value_errors: Likewise.
    """

    perplexity: float
    agreement: float
    needle: float
    key_errors: list[float]
    value_errors: list[float]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Token ids of everything that is measured.

    Attributes:
        windows: int64 ``[windows, tokens]``.
        needles: int64 ``[needles, tokens]``, each ending with its answer.
        answers: Tokens of the answer at the end of each.
    """

    windows: torch.Tensor
    needles: torch.Tensor
    answers: list[int]


class Evaluation:
    """One model under several schemes.

    Args:
        model: A causal language model of transformers.
        inputs: What to feed it.
        native: What native keys and values are rounded to.
    """

    def __init__(self, model: Any, inputs: Inputs, native: torch.dtype) -> None:
        self._model = model.requires_grad_(False)
        self._inputs = inputs
        self._native = native
        self._greedy: torch.Tensor | None = None

    def measure(self, scheme: Scheme) -> Quality:
        """Measure one scheme; the first one must be native, with which the others are compared."""
        cache = SealedCache(scheme, self._native)
        loss, predictions = self._read(self._inputs.windows, cache)
        if self._greedy is None:
            self._greedy = predictions
        errors = [cache.errors[layer].relative for layer in sorted(cache.errors)]
        return Quality(
            perplexity=math.exp(loss),
            agreement=float((predictions == self._greedy).float().mean()),
            needle=self._recall(scheme),
            key_errors=[keys for keys, _ in errors],
            value_errors=[values for _, values in errors],
        )

    def _read(self, ids: torch.Tensor, cache: SealedCache) -> tuple[float, torch.Tensor]:
        """Mean loss of each next token, and the likeliest one at each position."""
        losses, predictions = [], []
        for logits, first in self._logits(ids, cache):
            expected = ids[:, first + 1 : first + 1 + PAGE_TOKENS]
            likely = logits[:, : expected.shape[1]].float()
            losses.append(torch.nn.functional.cross_entropy(likely.flatten(0, 1), expected.flatten(), reduction="none"))
            predictions.append(logits.argmax(-1))
        return float(torch.cat(losses).double().mean()), torch.cat(predictions, 1)

    def _logits(self, ids: torch.Tensor, cache: SealedCache) -> Iterator[tuple[torch.Tensor, int]]:
        for first in range(0, ids.shape[1], PAGE_TOKENS):
            page = ids[:, first : first + PAGE_TOKENS]
            yield self._model(page, past_key_values=cache, use_cache=True).logits, first

    def _recall(self, scheme: Scheme) -> float:
        ids, answers = self._inputs.needles, self._inputs.answers
        if not answers:
            return math.nan
        _, predictions = self._read(ids, SealedCache(scheme, self._native))
        found = [torch.equal(predictions[i, -answer - 1 : -1], ids[i, -answer:]) for i, answer in enumerate(answers)]
        return float(sum(found)) / len(found)


def build_inputs(tokenizer: Any, text: str, size: Size) -> Inputs:
    """Cut the text into windows, and hide needles in what follows.

    Raises:
        ValueError: The text is too short, or a window no multiple of the page.
    """
    if size.tokens < 4 * PAGE_TOKENS or size.tokens % PAGE_TOKENS:
        raise ValueError(
            f"tokens must be a multiple of {PAGE_TOKENS} and at least {4 * PAGE_TOKENS}, not {size.tokens}"
        )
    wanted = (size.windows + size.needles) * size.tokens
    # No more than needed is tokenised: a token has rarely more than 16 characters.
    ids = tokenizer(text[: 16 * wanted], return_tensors="pt").input_ids[0]
    if len(ids) < wanted:
        raise ValueError(f"the text has {len(ids)} tokens, fewer than the {wanted} to measure on")
    pieces = ids[:wanted].view(-1, size.tokens)
    hidden = [_hide(tokenizer, piece.tolist(), trial) for trial, piece in enumerate(pieces[size.windows :])]
    needles = torch.tensor([tokens for tokens, _ in hidden], dtype=torch.int64).view(-1, size.tokens)
    return Inputs(pieces[: size.windows], needles, [answer for _, answer in hidden])


def _hide(tokenizer: Any, filler: Sequence[int], trial: int) -> tuple[list[int], int]:
    """The filler with a fact in it and its repetition at the end, as long as before; and how long the answer is."""
    stem, end = needle(trial)
    question = tokenizer(stem, add_special_tokens=False).input_ids
    fact = tokenizer(stem + end, add_special_tokens=False).input_ids
    room = len(filler) - 2 * len(fact)
    before = int(DEPTHS[trial % len(DEPTHS)] * room)
    return [*filler[:before], *fact, *filler[before:room], *fact], len(fact) - len(question)
