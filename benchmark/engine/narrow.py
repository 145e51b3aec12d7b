"""A model like another one, but next to weightless: what an engine takes beside the weights.

Layers, heads, vocabulary and tokenizer stay, and with them the KV cache. Only the rows get short, so that weights
shrink and nothing else does. ``python -m benchmark.engine.narrow FROM TO`` writes it: a process of its own, because it
needs torch.
"""

import subprocess
import sys
from pathlib import Path

WIDTH_PER_HEAD = 16
"""Architectures want a width that heads divide, and kernels one that vectors do."""
INTERMEDIATE = 64


def write_narrow(model: Path, directory: Path) -> Path:
    """Write the narrow relative of ``model``, with random weights of the same type, to ``directory``; returns it.

    Raises:
        subprocess.CalledProcessError: transformers cannot make it; its error is on standard error.
    """
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-m", __name__, str(model), str(directory)], cwd=root, check=True)
    return directory


def _write(model: Path, directory: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(model)
    config.head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    config.hidden_size = config.num_attention_heads * WIDTH_PER_HEAD
    config.intermediate_size = INTERMEDIATE
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=config.dtype).save_pretrained(directory)
    AutoTokenizer.from_pretrained(model).save_pretrained(directory)


if __name__ == "__main__":
    _write(Path(sys.argv[1]), Path(sys.argv[2]))
