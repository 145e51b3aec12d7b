"""What the HTTP layer and the tokenizer manager tell each other about one request."""

from dataclasses import dataclass, field
from typing import Any

from superinfer.slo import SLO, Carried, Principal
from superinfer.srt import rejection

SCOPE_KEY = "superinfer.exchange"


@dataclass(slots=True)
class Exchange:
    """Travels in the ASGI scope of an HTTP request; requests of an ``Engine`` have an empty one.

    Attributes:
        carried: The SLO's carriers outside ``custom_params``.
        principal: Who sent the request.
        promised: The SLO that the early check settled, if it could.
        prompt_ends_with: Role of a chat's last message.
        reports: Outcomes of the requests that have finished.
        retry_after_s: Seconds after which to come again, if the request was refused.
    """

    carried: Carried = field(default_factory=Carried)
    principal: Principal = field(default_factory=Principal)
    promised: SLO | None = None
    prompt_ends_with: str | None = None
    reports: list[dict[str, Any]] = field(default_factory=list)
    retry_after_s: int | None = None

    @classmethod
    def of(cls, request: Any) -> "Exchange":
        """The exchange of a Starlette request, or an empty one."""
        found = request.scope.get(SCOPE_KEY) if request is not None else None
        return found if isinstance(found, cls) else cls()

    def observe(self, output: Any) -> None:
        """Take the report, or the refusal, out of one of SGLang's outputs, or of a batch of them."""
        self.retry_after_s = self.retry_after_s or rejection.retry_after_s(output)
        for item in output if isinstance(output, list) else [output]:
            report = item.get("meta_info", {}).get("slo")
            if report is not None:
                self.reports.append(report)

    @property
    def verdict(self) -> Any:
        """The report, or the list of reports if there were several; ``None`` before the end."""
        return self.reports[0] if len(self.reports) == 1 else self.reports or None
