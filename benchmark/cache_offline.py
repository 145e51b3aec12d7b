"""What could a rule save on the load of ``benchmark.cache_server``? ``python -m benchmark.cache_offline --json FILE``.

The same requests on our evictor alone, at the times at which a server that answers at a steady pace would get them.
There is no server and no model in it: a rule takes seconds. SGLang's rules evict whole nodes and hear no hints, ours
evict blocks and do, as in the servers; ``belady`` knows the future.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.arguments import subset
from benchmark.cache_load import CacheLoad, add_load_arguments, later, pool_for
from benchmark.cache_replay import Event, Farthest, Tiered, events, next_uses, replay
from benchmark.engine.workloads import Request, Urgency
from benchmark.report import add_outputs, publish
from superinfer.cache.guard import Guarded, Watch
from superinfer.cache.learned import Learned
from superinfer.cache.model_file import load as load_predictor
from superinfer.cache.predictor import Predictor
from superinfer.cache.rule import LRU, Rule
from superinfer.cache.score import Cost
from superinfer.cache.use import Use
from superinfer.cli.picture import picture
from superinfer.sim.cache.rules import SLRU, Priority, TailLRU
from superinfer.sim.cache.trace import Request as Logged
from superinfer.sim.cache.trace import numbered
from superinfer.srt.cache.backend import BLOCK_TOKENS, block_tokens

PAUSE_S = 20.0
"""Between what is learnt from and what is measured."""

SGLANG: Mapping[str, Callable[[], Rule[int]]] = {
    "lru": LRU,
    "slru": SLRU,
    "tlru": lambda: TailLRU(512, 128),
    "priority": Tiered,
    "priority-by-class": Priority,
}
"""SGLang's rules. ``priority`` where batches have a lower one than all others; or each class its own."""

COST = Cost(token_ms=1.3, pair_ms=0.00025)
"""Of SmolLM2 on two cores: 750 tokens a second in short prompts, 630 in those of 2,048."""

OURS = ("learned", "learned-unguarded", "trained", "trained-unguarded")
RULES = (*SGLANG, *OURS, "belady")
LINE = (
    "{rule:>18}: {computed_tokens:>9,} tokens computed, {ratio:.3f} of SGLang's best"
    " (chat {chat:,}, agents {agent:,}, documents {batch:,})"
)


def main(argv: Sequence[str] | None = None) -> None:
    """Replay, print, and write what was asked for."""
    options = _parser().parse_args(argv)
    loads = [CacheLoad.of(options, options.seconds).requests(seed) for seed in range(options.seeds)]
    pool_tokens = pool_for(loads, options.share)
    learn = CacheLoad.of(options, options.learn_s).requests(-1)
    trained = _trained(learn, block_tokens(pool_tokens, 1)) if any(map(_needs_training, options.rules)) else None
    from_s = options.learn_s + PAUSE_S
    found = {
        name: [_run(name, [*learn, *later(load, from_s)], pool_tokens, trained, from_s) for load in loads]
        for name in options.rules
    }
    publish(options, argv, _results(found, pool_tokens), LINE, save_plot)


def _needs_training(rule: str) -> bool:
    return rule.startswith("trained")


def _run(
    name: str, requests: Sequence[Request], pool_tokens: int, trained: Predictor | None, from_s: float
) -> dict[str, int]:
    block = block_tokens(pool_tokens, 1)
    happening = events(requests, None if name in SGLANG else block)
    rule = _rule(name, happening, pool_tokens, block, trained)
    outcome = replay(happening, pool_tokens, rule, from_s, hints=name in OURS)
    parts = {urgency.value: outcome.computed[urgency] for urgency in (Urgency.CHAT, Urgency.AGENT, Urgency.BATCH)}
    decides = isinstance(rule, Guarded) and rule.learned_decides
    total = outcome.computed.total()
    return {"computed_tokens": total, "prompt_tokens": outcome.prompt_tokens, **parts, "learned_decides": decides}


def _rule(name: str, happening: Sequence[Event], pool_tokens: int, block: int, trained: Predictor | None) -> Rule[int]:
    if name in SGLANG:
        return SGLANG[name]()
    if name == "belady":
        return Farthest(next_uses(happening))
    predictor = trained if _needs_training(name) else None
    learned: Learned[int] = Learned(predictor or load_predictor(), COST, unit=BLOCK_TOKENS / block)
    return learned if name.endswith("-unguarded") else Guarded(learned, pool_tokens, Watch.of(pool_tokens // block))


def _trained(requests: Sequence[Request], block: int) -> Predictor:
    """A predictor that has learnt from this load, as from the access log of a server."""
    from superinfer.training.fit import fit  # torch, which nothing else here needs

    return fit(logged(requests, block)).predictor


def logged(requests: Sequence[Request], block: int) -> list[Logged]:
    """The load as its access log would be read: lengths in 512ths of a block."""
    scale = BLOCK_TOKENS / block
    found = []
    for event in events(requests, block):
        if not event.ends:
            use, ends = event.use, [end for end in _ends(event) if end % block == 0 or end == event.use.prompt_tokens]
            names = tuple(name for (name, _), end in zip(event.path, _ends(event), strict=True) if end in ends)
            tokens = int(-(-use.prompt_tokens * scale // 1))
            output = int(event.request.max_tokens * scale)
            found.append(Logged(Use(0, event.at_s, tokens, 0, output, use.slo_class), names))
    return numbered(found)


def _ends(event: Event) -> list[int]:
    ends, depth = [], 0
    for _, tokens in event.path:
        depth += tokens
        ends.append(depth)
    return ends


def _results(found: Mapping[str, Sequence[Mapping[str, int]]], pool_tokens: int) -> list[dict[str, Any]]:
    """A row for each rule: medians over the seeds, and how they compare with the best of SGLang's rules."""
    rows: list[dict[str, Any]] = [
        {"rule": name, "pool_tokens": pool_tokens, **{key: median(run[key] for run in runs) for key in runs[0]}}
        for name, runs in found.items()
    ]
    others = [row["computed_tokens"] for row in rows if row["rule"] in SGLANG]
    for row in rows:
        row["ratio"] = row["computed_tokens"] / min(others) if others else float("nan")
    return rows


def save_plot(results: Sequence[Mapping[str, Any]], file: Path) -> None:
    """A bar for each rule, by who asks."""
    with picture(file, 1, 1, (7, 2.8)) as axes:
        axis, names = axes[0, 0], [result["rule"] for result in results]
        before = [0.0] * len(results)
        for part, color in (("batch", "#ced4da"), ("agent", "#91a7ff"), ("chat", "#74c0fc")):
            values = [result[part] for result in results]
            axis.barh(names, values, left=before, label=part, color=color)
            before = [low + value for low, value in zip(before, values, strict=True)]
        axis.invert_yaxis()
        axis.set_title("prompt tokens computed", fontsize=9, loc="left")
        axis.legend(fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.cache_offline", description=__doc__)
    parser.add_argument("--rules", type=subset(RULES), default=RULES, metavar="NAME,...", help=", ".join(RULES))
    parser.set_defaults(module="benchmark.cache_offline")
    add_load_arguments(parser)
    add_outputs(parser)
    return parser


if __name__ == "__main__":
    main()
