"""Systems by name, for comparisons: which policy stands for each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class System:
    """A serving system.

    Attributes:
        policy: What stands for it here.
        description: In one line.
    """

    policy: str
    description: str


SYSTEMS = {
    "vllm": System("fcfs", "first come, first served; decode first, 2,048 tokens a step"),
    "tensorrt-llm": System("no-evict", "reserves prompt and longest output; whole prompts, 8,192 tokens a step"),
    "tensorrt-llm-max": System("max-utilization", "admits while memory lasts, pauses the latest arrivals"),
    "sglang": System("lpm", "longest prefix match first; decode first, 2,048 tokens a step"),
    "flexgen": System("flexgen", "weights and KV on the host, one large block after the other"),
    "superinfer": System("rotation", "by slack, steps sized by the tightest stream, doomed requests last"),
}
"""TensorRT-LLM is there with both of its capacity policies: the reader takes the better."""
