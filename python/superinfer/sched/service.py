"""Fair shares among tenants: who has had how much."""

from dataclasses import dataclass, field

OUTPUT_WEIGHT = 2
"""A token produced counts as two read: it takes a step of its own."""


@dataclass(slots=True)
class TenantService:
    """Weighted service counters (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024).

    A tenant that comes, or comes back, starts from the least counter among those present: idle time earns no credit.

    Attributes:
        weights: Share of each tenant; 1 where not given.
    """

    weights: dict[str, float] = field(default_factory=dict)
    _served: dict[str, float] = field(default_factory=dict)

    def arrive(self, tenant: str | None, present: set[str]) -> None:
        """A request of ``tenant`` arrives while those in ``present`` have requests."""
        name = tenant or ""
        if name not in present:
            least = min((self._served.get(other, 0.0) for other in present), default=0.0)
            self._served[name] = max(self._served.get(name, 0.0), least)

    def serve(self, tenant: str | None, prompt_tokens: int, output_tokens: int) -> None:
        """Charge work done for ``tenant``."""
        name = tenant or ""
        work = (prompt_tokens + OUTPUT_WEIGHT * output_tokens) / self.weights.get(name, 1.0)
        self._served[name] = self._served.get(name, 0.0) + work

    def served(self, tenant: str | None) -> float:
        """Weighted tokens so far."""
        return self._served.get(tenant or "", 0.0)
