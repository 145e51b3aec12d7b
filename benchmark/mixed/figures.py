"""What one run of a load says."""

from collections.abc import Sequence

from benchmark.engine.client import Answer
from benchmark.engine.workloads import Urgency
from benchmark.mixed.loads import Targets
from superinfer.workload.attainment import percentile

FIGURES = ("attainment", "chat_p99_ms", "tokens_per_s", "makespan_s", "goodput_per_s")
"""What the report sums up, in its order."""


def figures(answers: Sequence[Answer], targets: Targets) -> dict[str, float]:
    """Attainment, latencies, rates, and when the documents were done; all over requests sent.

    A figure about chat or agents is absent where the load has none.
    """
    documents = [answer for answer in answers if answer.request.urgency is Urgency.BATCH]
    start_s, end_s = min(a.sent_s for a in answers), max(a.last_token_s for a in answers)
    return {
        **_promised(answers, targets, end_s - start_s),
        **_chat([answer for answer in answers if answer.request.urgency is Urgency.CHAT]),
        "tokens_per_s": sum(a.request.max_tokens + len(a.request.prompt) for a in answers) / (end_s - start_s),
        "makespan_s": max((a.last_token_s for a in documents), default=start_s) - start_s,
        "documents_p50_s": percentile([a.e2e_s for a in documents], 50),
        "documents_max_s": max((a.e2e_s for a in documents), default=0.0),
        "documents_sent": float(len(documents)),
    }


def _promised(answers: Sequence[Answer], targets: Targets, seconds: float) -> dict[str, float]:
    found: dict[str, float] = {}
    kept = {
        urgency: [on_time(answer, targets) for answer in answers if answer.request.urgency is urgency]
        for urgency in (Urgency.CHAT, Urgency.AGENT)
    }
    for urgency, met in kept.items():
        if met:
            found |= {f"{urgency.value}_attainment": sum(met) / len(met), f"{urgency.value}_sent": float(len(met))}
    if everyone := [met for each in kept.values() for met in each]:
        found |= {"attainment": sum(everyone) / len(everyone), "goodput_per_s": sum(everyone) / seconds}
    return found


def _chat(chat: Sequence[Answer]) -> dict[str, float]:
    if not chat:
        return {}
    ttfts_ms, e2es_ms = [1000 * a.ttft_s for a in chat], [1000 * a.e2e_s for a in chat]
    return {
        "chat_p99_ms": percentile(e2es_ms, 99),
        "chat_ttft_p50_ms": percentile(ttfts_ms, 50),
        "chat_ttft_p99_ms": percentile(ttfts_ms, 99),
        "chat_tpot_p99_ms": percentile([tpot_ms(answer) for answer in chat], 99),
    }


def on_time(answer: Answer, targets: Targets) -> bool:
    """Whether the promise was kept: first token and pace of chat, the last token of an agent's step."""
    if answer.request.urgency is Urgency.AGENT:
        return 1000 * answer.e2e_s <= targets.step_ms
    return 1000 * answer.ttft_s <= targets.ttft_ms and tpot_ms(answer) <= targets.tpot_ms


def tpot_ms(answer: Answer) -> float:
    """Mean time per token after the first."""
    return 1000 * (answer.last_token_s - answer.first_token_s) / max(answer.request.max_tokens - 1, 1)
