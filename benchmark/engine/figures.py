"""From the answers to a workload to its figures. A figure's name ends in its unit."""

from collections.abc import Sequence

from benchmark.engine.client import Answer
from benchmark.engine.workloads import Decode, Mixed, Prefill, Urgency, Workload
from superinfer.workload.attainment import percentile

MIXED_TOTAL = "mixed_tok_s"


def throughput_name(workload: Decode | Prefill) -> str:
    """Name of the one figure that such a workload has."""
    return f"{workload.name}_tok_s"


def figures(workload: Workload, answers: Sequence[Answer]) -> dict[str, float]:
    """Figures of one run of ``workload``, by name."""
    match workload:
        case Decode():
            return {throughput_name(workload): _decode_tok_s(answers)}
        case Prefill():
            return {throughput_name(workload): _prefill_tok_s(answers)}
        case Mixed():
            return _mixed(answers)


def _decode_tok_s(answers: Sequence[Answer]) -> float:
    """Tokens after each request's first, over the time from the batch's first token to its last."""
    tokens = sum(answer.request.max_tokens - 1 for answer in answers)
    return tokens / (max(a.last_token_s for a in answers) - min(a.first_token_s for a in answers))


def _prefill_tok_s(answers: Sequence[Answer]) -> float:
    """Prompt tokens over time to first token; cached ones count as if they had been computed."""
    return sum(len(a.request.prompt) for a in answers) / sum(a.ttft_s for a in answers)


def _mixed(answers: Sequence[Answer]) -> dict[str, float]:
    start_s = min(a.sent_s for a in answers)
    chat = [a for a in answers if a.request.urgency is Urgency.CHAT]
    batch = [a for a in answers if a.request.urgency is Urgency.BATCH]
    ttfts_ms = [1_000 * a.ttft_s for a in chat]
    e2es_ms = [1_000 * a.e2e_s for a in chat]
    return {
        MIXED_TOTAL: sum(a.request.max_tokens for a in answers) / (max(a.last_token_s for a in answers) - start_s),
        "mixed_chat_ttft_p50_ms": percentile(ttfts_ms, 50),
        "mixed_chat_ttft_p99_ms": percentile(ttfts_ms, 99),
        "mixed_chat_e2e_p50_ms": percentile(e2es_ms, 50),
        "mixed_chat_e2e_p99_ms": percentile(e2es_ms, 99),
        "mixed_batch_done_ms": 1_000 * (max(a.last_token_s for a in batch) - start_s),
    }
