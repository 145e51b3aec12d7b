"""How the bytes of a page lie, exactly, for any shape of attention heads.

A *page* holds the keys, or the values, of ``PAGE_TOKENS`` consecutive tokens for all KV heads of one layer. Native
pages are ``[tokens, heads, dim]``. A sealed page is a sequence of heads, and each head is

- ``scales``, one byte each, and ``zeros``, one byte each, both padded to a multiple of ``VALUE_GROUP``,
- ``bounds``: what a zero of 0 means and how far the next one lies, as float32; the bits of a scale of 0 and how many
  bits the next one lies above, as int32,
- ``payload``: 32-bit words of 8 codes of 4 bits or 4 codes of 8 bits, the first code in the lowest bits.

Keys share a scale and a zero along a channel: there are ``dim`` of each, and a word holds neighbouring channels of one
token, words of neighbouring tokens side by side (``[dim / codes, tokens]``). Values share them within ``VALUE_GROUP``
channels of one token: ``groups * tokens`` of each, group by group, and a word holds neighbouring tokens of one channel
(``[tokens / codes, dim]``).

Keys and values of the same dimension take the same bytes, which is what lets one boundary cut the memory of both.
"""

from dataclasses import dataclass

from superinfer.kv.formats import PAGE_TOKENS, VALUE_GROUP, Format

BOUNDS_BYTES = 16


@dataclass(frozen=True, slots=True)
class HeadLayout:
    """Where the parts of one sealed head begin, in bytes.

    Attributes:
        zeros: Offset of the zeros; the scales begin at 0.
        bounds: Offset of the 16 bytes of bounds.
        payload: Offset of the words.
        size: Of all together.
    """

    zeros: int
    bounds: int
    payload: int
    size: int


def groups(dim: int) -> int:
    """Groups of channels in a value vector; the last one may be smaller."""
    return -(-dim // VALUE_GROUP)


def key_head(fmt: Format, dim: int) -> HeadLayout:
    """Layout of one head's keys in a sealed page."""
    return _head(fmt, dim, dim)


def value_head(fmt: Format, dim: int) -> HeadLayout:
    """Layout of one head's values in a sealed page."""
    return _head(fmt, PAGE_TOKENS * groups(dim), dim)


def _head(fmt: Format, parameters: int, dim: int) -> HeadLayout:
    if dim <= 0 or dim % 8:
        raise ValueError(f"head dimension must be a positive multiple of 8, not {dim}")
    padded = groups(parameters) * VALUE_GROUP
    payload = 2 * padded + BOUNDS_BYTES
    return HeadLayout(padded, 2 * padded, payload, payload + PAGE_TOKENS * dim * fmt.bits // 8)


@dataclass(frozen=True, slots=True)
class KvShape:
    """What a model keeps of each token.

    Attributes:
        layers: Layers with a KV cache.
        heads: KV heads of a layer.
        k_dim: Length of a key vector.
        v_dim: Length of a value vector.
        native_bytes: Bytes of a native number: 2 for bfloat16 and float16, 4 for float32.
    """

    layers: int
    heads: int
    k_dim: int
    v_dim: int
    native_bytes: int = 2

    def __post_init__(self) -> None:
        for name in ("layers", "heads", "k_dim", "v_dim"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if self.k_dim % 8 or self.v_dim % 8:
            raise ValueError(f"k_dim and v_dim must be multiples of 8, not {self.k_dim} and {self.v_dim}")
        if self.native_bytes not in (2, 4):
            raise ValueError(f"native_bytes must be 2 or 4, not {self.native_bytes}")

    def key_page_bytes(self, fmt: Format) -> int:
        """Bytes of the keys of a page in one layer."""
        if fmt is Format.NATIVE:
            return PAGE_TOKENS * self.heads * self.k_dim * self.native_bytes
        return self.heads * key_head(fmt, self.k_dim).size

    def value_page_bytes(self, fmt: Format) -> int:
        """Bytes of the values of a page in one layer."""
        if fmt is Format.NATIVE:
            return PAGE_TOKENS * self.heads * self.v_dim * self.native_bytes
        return self.heads * value_head(fmt, self.v_dim).size

    def page_bytes(self, fmt: Format) -> int:
        """Bytes of a page in all layers, keys and values."""
        return self.layers * (self.key_page_bytes(fmt) + self.value_page_bytes(fmt))

    def token_bytes(self, fmt: Format) -> float:
        """Bytes of a token in all layers: a page's share, exact in binary as pages have a power of two of tokens."""
        return self.page_bytes(fmt) / PAGE_TOKENS

    def tokens_per_gib(self, fmt: Format) -> int:
        """Tokens of whole pages that fit in a GiB."""
        return 2**30 // self.page_bytes(fmt) * PAGE_TOKENS

    def ratio(self, fmt: Format) -> float:
        """Bytes of a page relative to a native one."""
        return self.page_bytes(fmt) / self.page_bytes(Format.NATIVE)
