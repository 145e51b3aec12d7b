"""How long a step takes on a machine: the slower of reading and computing."""

from dataclasses import dataclass

from superinfer.sched.step_time import StepLoad
from superinfer.sim.hardware import Hardware
from superinfer.sim.models import Model

MEMORY_SHARE = 0.87
"""Part of the memory for weights and KV; the rest is for activations and the runtime."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """A model on a machine (Williams et al., "Roofline", CACM 52, 2009)."""

    hardware: Hardware
    model: Model

    def __post_init__(self) -> None:
        if self.kv_tokens <= 0:
            weights = self.model.parameters * self.model.weight_bytes / 1e9
            raise ValueError(
                f"{weights:.0f} GB of weights leave no room for KV in {self.hardware.memory_bytes / 1e9:.0f} GB"
            )

    @property
    def kv_tokens(self) -> int:
        """Tokens whose KV fits beside the weights."""
        room = MEMORY_SHARE * self.hardware.memory_bytes - self.model.parameters * self.model.weight_bytes
        return int(room / self.model.kv_bytes_per_token)

    @property
    def has_host(self) -> bool:
        """Whether parked KV can go to host memory and come back."""
        return self.hardware.link_bytes_per_s > 0

    def step_us(self, load: StepLoad) -> int:
        """Time of one step."""
        tokens = load.decode_rows + load.prefill_tokens
        if not tokens:
            return 0
        model, machine = self.model, self.hardware
        read = model.weight_bytes_read(tokens) + load.kv_tokens * model.kv_bytes_per_token
        read_s = read / (machine.bytes_per_s * machine.bandwidth_share)
        return machine.step_us + round(1e6 * max(read_s, self.compute_s(tokens, load.kv_tokens + load.prefill_pairs)))

    def compute_s(self, tokens: int, pairs: int) -> float:
        """Time to multiply for so many tokens and pairs of a token with one that it attends to."""
        model, machine = self.model, self.hardware
        flops = 2 * model.active_parameters * tokens + 4 * pairs * model.layers * model.q_heads * model.head_dim
        return flops / (machine.flops * machine.compute_share)

    def prefill_alone_us(self, tokens: int) -> int:
        """Time of a prompt on an idle machine."""
        return self.step_us(StepLoad(prefill_tokens=tokens, prefill_pairs=tokens * tokens // 2))

    def load_back_us(self, tokens: int) -> int:
        """Time to bring KV back from the host."""
        return round(1e6 * tokens * self.model.kv_bytes_per_token / self.hardware.link_bytes_per_s)
