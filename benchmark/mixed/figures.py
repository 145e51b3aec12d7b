"""What one run of a load says."""

from collections.abc import Sequence

from benchmark.engine.client import Answer
from benchmark.engine.workloads import Urgency
from benchmark.mixed.loads import Targets
from superinfer.workload.attainment import percentile

FIGURES = ("attainment", "chat_p99_ms", "tokens_per_s")
"""What the report sums up, in its order."""


def figures(answers: Sequence[Answer], targets: Targets) -> dict[str, float]:
    """Attainment and latencies of chat, total rate, and when the documents were done; all over requests sent."""
    chat = [answer for answer in answers if answer.request.urgency is Urgency.CHAT]
    documents = [answer for answer in answers if answer.request.urgency is Urgency.BATCH]
    start_s, end_s = min(a.sent_s for a in answers), max(a.last_token_s for a in answers)
    ttfts_ms, e2es_ms = [1000 * a.ttft_s for a in chat], [1000 * a.e2e_s for a in chat]
    return {
        "attainment": sum(on_time(answer, targets) for answer in chat) / max(len(chat), 1),
        "chat_p99_ms": percentile(e2es_ms, 99),
        "chat_ttft_p50_ms": percentile(ttfts_ms, 50),
        "chat_ttft_p99_ms": percentile(ttfts_ms, 99),
        "chat_tpot_p99_ms": percentile([tpot_ms(answer) for answer in chat], 99),
        "tokens_per_s": sum(a.request.max_tokens + len(a.request.prompt) for a in answers) / (end_s - start_s),
        "documents_done_s": max((a.last_token_s for a in documents), default=start_s) - start_s,
        "documents_p50_s": percentile([a.e2e_s for a in documents], 50),
        "chat_sent": float(len(chat)),
        "documents_sent": float(len(documents)),
    }


def on_time(answer: Answer, targets: Targets) -> bool:
    """Whether the first token and the pace were as promised."""
    return 1000 * answer.ttft_s <= targets.ttft_ms and tpot_ms(answer) <= targets.tpot_ms


def tpot_ms(answer: Answer) -> float:
    """Mean time per token after the first."""
    return 1000 * (answer.last_token_s - answer.first_token_s) / max(answer.request.max_tokens - 1, 1)
