"""The summary as grouped bars with whiskers; needs the extra ``plot``."""

from pathlib import Path
from typing import Any

from benchmark.engine.summary import READY, RESIDENT_WEIGHTS, Summary
from superinfer.cli.picture import picture

_PANELS = {
    "decode, tokens/s by concurrency": "decode_",
    "prefill, tokens/s by prompt length": "prefill_",
    "prefill with cached prefix, tokens/s by prompt length": "cached_prefill_",
    "mixed load, chat latency in ms": "mixed_chat_",
    "mixed load, tokens/s": "mixed_tok_s",
    "first token after the start of the process, s": READY,
    "resident memory that the weights take, over their size in float32": RESIDENT_WEIGHTS,
}
_COLOURS = ("#0b7285", "#adb5bd", "#e8590c", "#f08c00", "#f2c48d")


def save(summary: Summary, file: Path) -> None:
    """Write one panel per kind of figure: bars are medians, whiskers reach to the least and the greatest."""
    shown = panels(summary)
    with picture(file, len(shown), 1, (8, 2.6 * len(shown))) as axes:
        for axis, (title, names) in zip(axes[:, 0], shown, strict=True):
            _draw(axis, summary, names, _PANELS[title])
            axis.set_title(title, fontsize=10, loc="left")
            axis.spines[["top", "right"]].set_visible(False)
        axes[0, 0].legend(frameon=False, fontsize=8)


def panels(summary: Summary) -> list[tuple[str, list[str]]]:
    """Titles, and the figures that belong below them; what was not measured has no panel."""
    return [(title, names) for title, prefix in _PANELS.items() if (names := _names(summary, prefix))]


def _names(summary: Summary, prefix: str) -> list[str]:
    return list(dict.fromkeys(name for of in summary.values() for name in of if name.startswith(prefix)))


def _draw(axis: Any, summary: Summary, names: list[str], prefix: str) -> None:
    width = 0.8 / len(summary)
    for index, (engine, of) in enumerate(summary.items()):
        shown = [(place, of[name]) for place, name in enumerate(names) if name in of]
        axis.bar(
            [place + index * width for place, _ in shown],
            [spread.median for _, spread in shown],
            width,
            yerr=[
                [spread.median - spread.min for _, spread in shown],
                [spread.max - spread.median for _, spread in shown],
            ],
            label=engine,
            color=_COLOURS[index % len(_COLOURS)],
            capsize=2,
            error_kw={"linewidth": 0.8},
        )
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(names))], [_label(name, prefix) for name in names])
    axis.tick_params(labelsize=8)


def _label(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).removesuffix("_tok_s").removesuffix("_ms")
