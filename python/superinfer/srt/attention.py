"""Attention backend ``superinfer``: SuperInfer's CPU kernels on SGLang's KV pool.

Unlike SGLang's ``torch_native`` it never copies or recomputes a cached prefix, and it works on whole batches.
"""

from typing import Any

import torch
from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend
from sglang.srt.layers.radix_attention import AttentionType
from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool

from superinfer import kernels
from superinfer.kernels.layers import PagedTokens
from superinfer.srt import ATTENTION_BACKEND
from superinfer.srt.kv.pool import MixedKVPool

KV_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


class CpuAttentionBackend(TorchNativeAttnBackend):
    """Decode and extend over slot tables.

    What the kernels do not cover (cross attention, encoder-only layers, sliding-window and quantised pools) is left to
    the backend this one is derived from: slower, and right.
    """

    def __init__(self, model_runner: Any) -> None:
        super().__init__(model_runner)
        pool = self.token_to_kv_pool
        self._slots = pool.slots if isinstance(pool, MixedKVPool) else None
        self._plain_pool = type(pool) is MHATokenToKVPool and pool.dtype in KV_DTYPES
        self._extends: tuple[torch.Tensor, torch.Tensor] | None = None

    def init_forward_metadata(self, forward_batch: Any) -> None:
        """Once per forward pass, for all layers: where each request's queries begin, and after how many keys."""
        super().init_forward_metadata(forward_batch)
        self._extends = None
        if forward_batch.extend_seq_lens is not None:
            lens = forward_batch.extend_seq_lens.to(torch.int64)
            qo_indptr = torch.nn.functional.pad(lens.cumsum(0), (1, 0))
            self._extends = forward_batch.extend_prefix_lens.to(torch.int64), qo_indptr

    def forward_extend(
        self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, save_kv_cache: bool = True
    ) -> torch.Tensor:
        """Attention of new tokens; ``q`` is ``[tokens, q_heads * head_dim]``, and so is the result."""
        if not self.covers(layer):
            return super().forward_extend(q, k, v, layer, forward_batch, save_kv_cache)
        return self._flat(q, k, v, layer, forward_batch, save_kv_cache)

    def forward_decode(
        self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, save_kv_cache: bool = True
    ) -> torch.Tensor:
        """Attention of one new token per request; shapes as in ``forward_extend``."""
        if not self.covers(layer):
            return super().forward_decode(q, k, v, layer, forward_batch, save_kv_cache)
        return self._flat(q, k, v, layer, forward_batch, save_kv_cache)

    def covers(self, layer: Any) -> bool:
        """Whether the kernels compute what this attention layer needs."""
        readable = self._plain_pool or self._slots is not None
        return readable and layer.attn_type is AttentionType.DECODER and not layer.is_cross_attention

    def paged_tokens(self, positions: torch.Tensor, forward_batch: Any) -> PagedTokens:
        """Where the tokens of ``forward_batch`` stand and go."""
        return PagedTokens(
            positions,
            forward_batch.out_cache_loc,
            self.req_to_token_pool.req_to_token,
            forward_batch.req_pool_indices,
            forward_batch.seq_lens,
            self._extends,
            self._slots,
        )

    def attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor | None,
        v: torch.Tensor | None,
        layer: Any,
        forward_batch: Any,
        out: torch.Tensor,
    ) -> None:
        """Store the new keys and values, then attend to all of them.

        Args:
            q: ``[tokens, q_heads, head_dim]``.
            k: ``[tokens, kv_heads, head_dim]``, or ``None`` to leave the cache as it is.
            v: ``[tokens, kv_heads, v_head_dim]``, likewise.
            layer: A layer that ``covers``.
            forward_batch: SGLang's description of the batch.
            out: ``[tokens, q_heads, v_head_dim]``: written to.
        """
        pool = self.token_to_kv_pool
        keys, values = pool.get_key_buffer(layer.layer_id), pool.get_value_buffer(layer.layer_id)
        if k is not None and v is not None:
            kernels.kv_store(k, v, keys, values, forward_batch.out_cache_loc)
        table = self.req_to_token_pool.req_to_token
        rows, seq_lens = forward_batch.req_pool_indices, forward_batch.seq_lens
        scale, cap, window = layer.scaling, layer.logit_cap or 0.0, window_of(layer)
        if self._slots is not None:
            self._attend_mixed(q, keys, values, layer, forward_batch, out)
        elif self._extends is None:
            kernels.decode_attention(
                q, keys, values, table, rows, seq_lens, out, scale=scale, logit_cap=cap, window=window
            )
        else:
            prefix_lens, qo_indptr = self._extends
            kernels.extend_attention(
                q,
                keys,
                values,
                table,
                rows,
                seq_lens,
                prefix_lens,
                qo_indptr,
                out,
                scale=scale,
                logit_cap=cap,
                window=window,
            )

    def _attend_mixed(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, layer: Any, batch: Any, out: torch.Tensor
    ) -> None:
        """As ``attend``, on pages of several formats."""
        assert self._slots is not None
        place = (q, keys, values, self._slots, self.req_to_token_pool.req_to_token, batch.req_pool_indices)
        scale, cap = layer.scaling, layer.logit_cap or 0.0
        if self._extends is None:
            kernels.mixed_decode_attention(*place, batch.seq_lens, out, scale=scale, logit_cap=cap)
        else:
            kernels.mixed_extend_attention(*place, batch.seq_lens, *self._extends, out, scale=scale, logit_cap=cap)

    def _flat(self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, save: bool) -> torch.Tensor:
        """``attend`` on tensors whose heads are side by side."""
        out = q.new_empty((q.shape[0], layer.tp_q_head_num, layer.v_head_dim))
        if save and k is not None and v is not None:
            k = k.view(-1, layer.tp_k_head_num, layer.qk_head_dim)
            v = v.view(-1, layer.tp_v_head_num, layer.v_head_dim)
        else:
            k = v = None
        self.attend(q.view(-1, layer.tp_q_head_num, layer.qk_head_dim), k, v, layer, forward_batch, out)
        return out.view(q.shape[0], -1)


def window_of(layer: Any) -> int:
    """SGLang counts the keys before a query; the kernels count its own, too."""
    size = layer.sliding_window_size
    return size + 1 if size is not None and size > -1 else -1


def register() -> None:
    """Make the backend known to SGLang."""
    from sglang.srt.layers.attention.attention_registry import register_attention_backend

    register_attention_backend(ATTENTION_BACKEND)(CpuAttentionBackend)
