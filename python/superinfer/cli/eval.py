"""``superinfer eval kv``: what formats of the KV cache cost in quality, and what they save."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superinfer.cli.errors import UserError

if TYPE_CHECKING:
    from superinfer.kv.evaluate import Evaluation

BUNDLED = "bundled"
FORMATS = ("native", "int8", "int4", "mixed", "int4-first-too", "int4-per-token")


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer eval``."""
    parser = argparse.ArgumentParser(
        prog="superinfer eval",
        description="Measure perplexity, greedy agreement, recall of a needle and the error of what is stored, for a "
        "model and for the same model with planted key outliers, with the KV cache in several formats. mixed takes "
        "native, int8 and int4 pages in turn. To compare with: int4-first-too does without the first page's int8, and "
        "int4-per-token is the plain scheme, a scale for each token.",
    )
    parser.add_argument("what", choices=["kv"], help="what to evaluate")
    parser.add_argument("--model", default=BUNDLED, metavar="DIR", help="transformers model (default: %(default)s)")
    parser.add_argument(
        "--formats", default="native,int8,int4,mixed", help=f"of {', '.join(FORMATS)} (default: %(default)s)"
    )
    parser.add_argument("--text", type=Path, metavar="FILE", help="measure on this text, not on what Python brings")
    parser.add_argument("--windows", type=int, default=4, help="pieces of text (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=1024, help="tokens of a piece (default: %(default)s)")
    parser.add_argument("--needles", type=int, default=8, help="pieces with a needle (default: %(default)s)")
    parser.add_argument(
        "--native", default="bfloat16", choices=["bfloat16", "float16", "float32"], help="what native pages hold"
    )
    parser.add_argument("--device", default="cpu", help="where to compute (default: %(default)s)")
    parser.add_argument("--no-planted", action="store_true", help="leave out the model with planted outliers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    return parser


def run(argv: Sequence[str]) -> int:
    """Measure, print a table, and write what was asked for."""
    options = build_parser().parse_args(argv)
    names = _formats(options.formats)
    try:
        figures = _figures(options, names)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=2) + "\n")
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    _show(figures, names)
    return 0


def _formats(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise UserError(f"--formats: {name!r} is not one of {', '.join(FORMATS)}")
    # Others are compared with native, which therefore comes first whether asked for or not.
    return ["native", *(name for name in names if name != "native")]


def _figures(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from superinfer.kv.evaluate import Evaluation, Size, build_inputs
    from superinfer.kv.planted import plant
    from superinfer.kv.text import read_text

    directory = _directory(options.model)
    text, source = read_text(options.text)
    inputs = build_inputs(
        AutoTokenizer.from_pretrained(directory), text, Size(options.windows, options.tokens, options.needles)
    )
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval().to(options.device)
    native = getattr(torch, options.native)
    figures = _measure(Evaluation(model, inputs, native), names)
    if not options.no_planted:
        plant(model)
        figures["planted"] = _measure(Evaluation(model, inputs, native), names)
    return figures | {"model": str(options.model), "text": source, "memory": _memory(model.config, native.itemsize)}


def _directory(model: str) -> Path:
    if model == BUNDLED:
        from superinfer.models import ensure_default_model

        return ensure_default_model()
    if not Path(model).is_dir():
        raise UserError(f"--model: {model} is not a directory")
    return Path(model)


def _measure(evaluation: "Evaluation", names: Sequence[str]) -> dict[str, Any]:
    from superinfer.kv.sealed_cache import SCHEMES

    measured = {name: evaluation.measure(SCHEMES[name]) for name in names}

    def each(field: str) -> dict[str, Any]:
        return {name: _number(getattr(quality, field)) for name, quality in measured.items()}

    return {field: each(field) for field in ("perplexity", "agreement", "needle", "key_errors", "value_errors")}


def _number(value: Any) -> Any:
    """JSON has no NaN: what was not measured is null."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _memory(config: Any, native_bytes: int) -> dict[str, dict[str, float]]:
    from superinfer.kv import Format, KvShape

    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    shape = KvShape(config.num_hidden_layers, heads, dim, dim, native_bytes)
    return {
        "bytes_per_token": {fmt.label: shape.token_bytes(fmt) for fmt in Format},
        "tokens_per_gib": {fmt.label: shape.tokens_per_gib(fmt) for fmt in Format},
    }


def _show(figures: dict[str, Any], names: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, part in (("model", figures), ("planted outliers", figures.get("planted"))):
        if part is None:
            continue
        table = Table("format", "perplexity", "against native", "agreement", "needle", "keys' error", "values' error")
        table.title = title
        for name in names:
            table.add_row(name, *_cells(part, name))
        console.print(table)
    memory = figures["memory"]
    for name, size in memory["bytes_per_token"].items():
        console.print(f"{name}: {size:,.1f} bytes a token, {memory['tokens_per_gib'][name]:,} tokens a GiB")


def _cells(part: dict[str, Any], name: str) -> list[str]:
    perplexity, native = part["perplexity"][name], part["perplexity"]["native"]
    errors = [part[field][name] for field in ("key_errors", "value_errors")]
    needle = part["needle"][name]
    return [
        f"{perplexity:.4f}",
        f"{100 * (perplexity / native - 1):+.3f} %",
        f"{100 * part['agreement'][name]:.2f} %",
        "–" if needle is None else f"{100 * needle:.0f} %",
        *(f"{100 * sum(layers) / len(layers):.2f} %" for layers in errors),
    ]
