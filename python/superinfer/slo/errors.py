"""The one error that a bad SLO raises."""


class SLOError(ValueError):
    """A service-level objective that cannot be accepted.

    Attributes:
        field: Path of the offending value as the client wrote it, such as ``slo.ttft_ms`` or a header's name.
        reason: What is wrong with it, without the field's name.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def at(self, prefix: str) -> "SLOError":
        """The same error, its field seen from one level further out."""
        return SLOError(f"{prefix}.{self.field}" if self.field else prefix, self.reason)

    def __reduce__(self) -> tuple[type["SLOError"], tuple[str, str]]:
        """Pickle by parts: the default would pass the joined message as ``field``."""
        return (type(self), (self.field, self.reason))
