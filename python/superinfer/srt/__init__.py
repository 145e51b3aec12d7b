"""Everything that touches SGLang, one file per seam; ``seams`` lists every SGLang symbol used.

SGLang loads ``plugin.register`` and ``platform.activate`` through entry points in every process, also in
those of a plain SGLang. Both do nothing unless SuperInfer was switched on (``superinfer.config``).
"""

SGLANG_VERSION = "0.5.23"
"""The SGLang version that everything in here was written and tested against."""

ATTENTION_BACKEND = "superinfer"
"""Name of our attention backend among SGLang's."""
