"""What SuperInfer does not support, refused at start-up in one sentence each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class UnsupportedError(ValueError):
    """The requested combination of features is not supported."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A mode SuperInfer refuses.

    Attributes:
        mode: The flag or variable that asks for it, as the operator knows it.
        asked: Whether the server arguments ask for it.
        why: End of the sentence "SuperInfer does not support MODE: ...".
    """

    mode: str
    asked: Callable[[Any], bool]
    why: str


def _env(name: str) -> Callable[[Any], bool]:
    return lambda _: os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


LIMITS = (
    Limit(
        "--tokenizer-worker-num above 1",
        lambda a: a.tokenizer_worker_num > 1,
        "SGLang loads no plugins in those HTTP workers, so SLOs would be ignored there",
    ),
    Limit("SGLANG_RUST_SERVER", _env("SGLANG_RUST_SERVER"), "the Rust front end bypasses our SLO checks"),
    Limit(
        "SGLANG_ENABLE_REQUEST_DECOMPRESSION",
        _env("SGLANG_ENABLE_REQUEST_DECOMPRESSION"),
        "an SLO inside a compressed body could not be checked before the request is admitted",
    ),
    Limit(
        "gRPC serving",
        lambda a: a.grpc_mode or a.smg_grpc_mode or a.grpc_port is not None,
        "that front end bypasses our SLO checks",
    ),
    Limit("--use-ray", lambda a: a.use_ray, "Ray actors do not run our process checks"),
    Limit("--pp-size above 1", lambda a: a.pp_size > 1, "pipeline stages run another scheduling loop"),
    Limit(
        "--disaggregation-mode",
        lambda a: a.disaggregation_mode != "null",
        "prefill and decode servers run other scheduling loops",
    ),
    Limit("--enable-pdmux", lambda a: a.enable_pdmux, "it runs another scheduling loop"),
    Limit("--dllm-algorithm", lambda a: a.dllm_algorithm is not None, "it runs another scheduling loop"),
    Limit("--enable-dp-attention", lambda a: a.enable_dp_attention, "its ranks would have to agree on ticks"),
    Limit(
        "--speculative-algorithm",
        lambda a: a.speculative_algorithm is not None,
        "token times and slack are not defined for several tokens a step yet",
    ),
    Limit("--is-embedding", lambda a: a.is_embedding, "SLOs are promises about generated tokens"),
    Limit(
        "--schedule-policy other than fcfs",
        lambda a: a.schedule_policy != "fcfs",
        "the waiting queue is ordered by slack, which that policy would undo",
    ),
    Limit(
        "--enable-priority-scheduling",
        lambda a: a.enable_priority_scheduling,
        "importance comes from the SLO class; give clients a class instead of a priority",
    ),
    Limit(
        "--scheduler-recv-interval above 1",
        lambda a: a.scheduler_recv_interval > 1,
        "slack is computed on every pass and needs every arrival",
    ),
)


def check(server_args: Any) -> None:
    """Refuse what is not supported.

    Raises:
        UnsupportedError: The first limit that ``server_args`` or the environment run into.
    """
    for limit in LIMITS:
        if limit.asked(server_args):
            raise UnsupportedError(f"SuperInfer does not support {limit.mode}: {limit.why}.")
