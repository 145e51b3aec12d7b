"""What the operator allows: which classes a tenant or an API key may ask for."""

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from superinfer.slo import fields as check
from superinfer.slo.carriers import Carried
from superinfer.slo.classes import SLOClasses
from superinfer.slo.errors import SLOError
from superinfer.slo.model import SLO

_SHA256: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request, as far as the server can tell.

    Attributes:
        api_key_sha256: Hex digest of the bearer token, or ``None`` if there was none.
    """

    api_key_sha256: str | None = None

    @classmethod
    def from_authorization(cls, header: str | None) -> "Principal":
        """Read an ``Authorization: Bearer ...`` header's value."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return cls()
        return cls(sha256(token.strip().encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class ClampRule:
    """A limit on one tenant or one API key; with neither, on requests that name no tenant.

    Attributes:
        classes: Class names it may use, in any order; at least one.
        tenant: Applies to requests of this tenant.
        api_key_sha256: Applies to requests with this key. Keys are kept as digests so that the file that
            lists them is no secret.
        explicit_targets: Whether its requests may set targets of their own, or get those of their class.
        as_tenant: With a key: the tenant its requests are booked under, whatever they claim.
    """

    classes: tuple[str, ...]
    tenant: str | None = None
    api_key_sha256: str | None = None
    explicit_targets: bool = True
    as_tenant: str | None = None

    def applies(self, principal: Principal, tenant: str | None) -> bool:
        """Whether this rule limits a request."""
        if self.api_key_sha256 is not None:
            return self.api_key_sha256 == principal.api_key_sha256
        return self.tenant == tenant


@dataclass(frozen=True)
class SLOPolicy:
    """Everything needed to turn what a client sent into what the server promises.

    Raises:
        SLOError: A limit names an unknown class, or could never apply.
    """

    classes: SLOClasses
    clamps: tuple[ClampRule, ...] = ()

    def __post_init__(self) -> None:
        for index, rule in enumerate(self.clamps):
            self._check(rule, f"clamps[{index}]")

    def promise(self, params: SLO, carried: Carried, principal: Principal, path: str = "slo") -> SLO:
        """The SLO a request gets: carriers combined, class resolved, limits applied.

        Args:
            params: The SLO in the request's ``custom_params``.
            carried: The SLO's other carriers.
            principal: Who sent the request.
            path: Where ``params`` stood, for the error message.

        Raises:
            SLOError: Carriers contradict each other, or name an unknown class.
        """
        asked = carried.combine(params, path)
        # Headers and tiers name presets only: an unknown class stands in the body, in one of two places.
        path = "slo" if params.cls is None else path
        # A tenant is only a claim, a key is proof: limits on keys have the last word.
        for rule in sorted(self.clamps, key=lambda rule: rule.api_key_sha256 is not None):
            if rule.applies(principal, asked.tenant):
                asked = self._clamp(self.classes.resolve(asked, path), rule)
        return self.classes.resolve(asked, path)

    def _check(self, rule: ClampRule, path: str) -> None:
        for name in rule.classes:
            if name not in self.classes:
                raise SLOError(f"{path}.classes", f"{name!r} is not a class of this server")
        for field, tenant in (("tenant", rule.tenant), ("as_tenant", rule.as_tenant)):
            if tenant is not None:
                check.name(f"{path}.{field}", tenant)
        if rule.api_key_sha256 is None:
            return
        if rule.tenant is not None:
            raise SLOError(f"{path}.tenant", "cannot be combined with api_key_sha256; as_tenant books a key's requests")
        if not _SHA256.fullmatch(rule.api_key_sha256):
            raise SLOError(f"{path}.api_key_sha256", "must be a SHA-256 digest: 64 lowercase hex digits")

    def _clamp(self, slo: SLO, rule: ClampRule) -> SLO:
        """Move ``slo`` into the classes of ``rule``; targets it may not have become its class's own."""
        tenant = rule.as_tenant or slo.tenant
        if slo.cls in rule.classes and rule.explicit_targets:
            return replace(slo, tenant=tenant)
        name = slo.cls if slo.cls in rule.classes else min(rule.classes, key=self.classes.rank)
        # Explicit targets go too: "batch, but within 10 ms" would be the refused class under another name.
        return replace(self.classes[name].targets, tenant=tenant)
