"""SuperInfer's own configuration: one frozen tree, unknown fields rejected, handed to every process.

The launcher puts it into one environment variable; spawned processes read it there. That the variable is set
is also what switches SuperInfer on: without it, an installed SuperInfer leaves SGLang exactly as it is.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml

from superinfer.kv import Format, parse_regions
from superinfer.kv import parse_bytes as parse_budget
from superinfer.sizes import parse_bytes
from superinfer.slo import SLO, ClampRule, SLOClasses, SLOError, SLOPolicy, parse_slo

ENV: Final = "SUPERINFER_CONFIG"

Count = Annotated[int, msgspec.Meta(ge=0)]
Millis = Annotated[int, msgspec.Meta(ge=1)]


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and the field."""


class RotationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests take turns in the engine.

    Attributes:
        enabled: Whether SLOs decide who is served when, and running requests are taken out to let more urgent ones
            in; if not, SGLang decides, and SLOs are only measured.
        slice_ms: Service in the fastest tier before a request may be taken out; twice that in each further tier.
        max_step_ms: Longest engine step: what an urgent newcomer may have to wait.
        max_parked: Requests taken out in one pass, at most.
        max_wait_ms: A request that has waited so long for service goes to the front.
        reject: Whether requests are refused that cannot be on time: HTTP 429, with Retry-After.
        force_every: For tests: also take a request out every so many passes; 0 never does.
    """

    enabled: bool = True
    slice_ms: Millis = 100
    max_step_ms: Millis = 250
    max_parked: Count = 4
    max_wait_ms: Millis = 60_000
    reject: bool = False
    force_every: Count = 0


class ObserveConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the server tells about itself beside metrics.

    Attributes:
        events: ZeroMQ address at which the scheduler publishes its events, such as ``tcp://127.0.0.1:5556``.
        decisions: Directory into which each rank writes what it decides, for comparing ranks.
    """

    events: str | None = None
    decisions: str | None = None


class HostConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """KV in host memory. Sizes and rates are bytes, or text such as ``"2g"``.

    Attributes:
        kv_bytes: Host memory for KV that leaves the device's pool, of each rank; 0 leaves it to SGLang's flags whether
            there is any.
        write: When KV is copied to the host: ``through``, as soon as it is complete; ``back``, when it has to leave the
            device; ``selective``, when it is used a second time.
        prefetch_bytes_per_s: How much KV is brought back ahead of the requests that need it; ``None`` sets no limit, 0
            brings back nothing ahead.
        link_bytes_per_s: For tests and measurements, on the CPU: loads take as long as over a link of this speed; 0 for
            copies at once.
    """

    kv_bytes: int | str = 0
    write: Literal["through", "back", "selective"] = "through"
    prefetch_bytes_per_s: int | str | None = None
    link_bytes_per_s: int | str = 0

    def __post_init__(self) -> None:
        for name in ("kv_bytes", "prefetch_bytes_per_s", "link_bytes_per_s"):
            try:
                parse_bytes(getattr(self, name) or 0)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None

    @property
    def tier_bytes(self) -> int:
        """Size of the tier."""
        return parse_bytes(self.kv_bytes)

    @property
    def prefetch_rate(self) -> int | None:
        """Bytes per second, ``None`` for no limit."""
        return None if self.prefetch_bytes_per_s is None else parse_bytes(self.prefetch_bytes_per_s)

    @property
    def link_rate(self) -> int:
        """Bytes per second, 0 for no limit."""
        return parse_bytes(self.link_bytes_per_s)


class CacheConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which prefixes stay in the KV memory.

    Attributes:
        eviction: What decides: ``learned`` predicts reuse, with LRU as its guard; ``lru``; ``sglang`` leaves it to
            SGLang and its ``--radix-eviction-policy``. Unset: ``learned``, unless SGLang's arguments ask for something
            that it does not know.
        model: File of the predictor, from ``superinfer train reuse``; the built-in one if unset.
        access_log: File that gets a line per request, with hashes of its prompt and no text, to train a predictor on;
            none if unset.
        access_log_mb: Size at which it is renamed to ``NAME.1``; three such are kept.
        pin_share: Part of the KV memory that clients can pin at most.
    """

    eviction: Literal["learned", "lru", "sglang"] | None = None
    model: str | None = None
    access_log: str | None = None
    access_log_mb: Annotated[int, msgspec.Meta(ge=1)] = 64
    pin_share: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.3


AUTO: Final = "auto"
AUTO_SHARES: Final = "native:0.4,int8:0.1,int4:0.5"
"""How memory is cut at the start whose boundaries move."""


class KvConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """KV memory in several formats.

    Attributes:
        budget: Bytes of KV memory, such as ``1g``; without it, all is native and SGLang decides how much.
        regions: Shares of the formats, such as ``native:0.3,int8:0.3,int4:0.4``, or ``auto``: they follow the requests.
        seal: When full pages of requests that accept a coarser format get it: ``late``, once native memory runs short;
            ``full``, at once.
    """

    budget: str | None = None
    regions: str = AUTO
    seal: Literal["late", "full"] = "late"

    @property
    def balances(self) -> bool:
        """Whether the boundaries between the regions move."""
        return self.regions == AUTO

    def shares(self) -> dict[Format, float]:
        """The share of each format, at the start.

        Raises:
            ValueError: ``regions`` are none; names the field.
        """
        return parse_regions(AUTO_SHARES if self.balances else self.regions, "regions")

    def check(self) -> None:
        """See that the values mean something.

        Raises:
            ConfigError: One does not; names the field.
        """
        try:
            self.shares()
            if self.budget is not None:
                parse_budget(self.budget, "budget")
            if self.seal not in ("late", "full"):  # it may come from the command line
                raise ValueError(f"seal: {self.seal!r} is not one of late, full")
        except ValueError as error:
            raise ConfigError(f"kv.{error}") from None


class ClampConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit on one tenant or API key; see ``superinfer.slo.ClampRule``."""

    classes: Annotated[list[str], msgspec.Meta(min_length=1)]
    tenant: str | None = None
    api_key_sha256: str | None = None
    explicit_targets: bool = True
    as_tenant: str | None = None

    def rule(self) -> ClampRule:
        """The limit as the core knows it."""
        return ClampRule(**{**msgspec.structs.asdict(self), "classes": tuple(self.classes)})


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the operator can set.

    Attributes:
        default_slo_class: Class of requests that name none.
        classes: Class name -> targets in wire form; redefines a preset or adds a class.
        clamps: Which classes a tenant or an API key may ask for.
        rotation: Turns in the engine.
        observe: Events.
        host: KV in host memory.
        cache: Eviction from the KV memory.
        kv: KV memory in several formats.
    """

    default_slo_class: str = "standard"
    classes: dict[str, dict[str, Any]] = {}
    clamps: list[ClampConfig] = []
    rotation: RotationConfig = RotationConfig()
    observe: ObserveConfig = ObserveConfig()
    host: HostConfig = HostConfig()
    cache: CacheConfig = CacheConfig()
    kv: KvConfig = KvConfig()

    def slo_policy(self) -> SLOPolicy:
        """The operator's classes and limits.

        Raises:
            ConfigError: A class or a limit is not valid.
        """
        try:
            classes = SLOClasses().redefined(
                {name: _class_targets(name, wire) for name, wire in self.classes.items()},
                default=self.default_slo_class,
            )
            return SLOPolicy(classes, tuple(clamp.rule() for clamp in self.clamps))
        except SLOError as error:
            raise ConfigError(str(error)) from None


def load_config(path: Path) -> Config:
    """Read a TOML, YAML or JSON file into a ``Config`` and check it as a whole.

    Raises:
        ConfigError: The file cannot be read or does not describe a valid configuration.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        # JSON is YAML, so two parsers read three formats.
        data = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
        config = msgspec.convert(data or {}, Config)
        config.slo_policy()
        config.kv.check()
    except (tomllib.TOMLDecodeError, yaml.YAMLError, msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return config


def enable(config: Config, environ: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Switch SuperInfer on, with ``config``, for this process and those it spawns."""
    environ[ENV] = msgspec.json.encode(config).decode()


def active(environ: Mapping[str, str] = os.environ) -> Config | None:
    """The configuration this process runs under, or ``None`` if SuperInfer is off.

    Raises:
        ConfigError: The environment variable does not hold a valid configuration.
    """
    text = environ.get(ENV)
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Config)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"environment variable {ENV}: {error}") from None


def _class_targets(name: str, wire: Mapping[str, Any]) -> SLO:
    if "class" in wire:
        raise SLOError(f"classes.{name}.class", "is the table's own name; leave it out")
    return parse_slo({**wire, "class": name}, f"classes.{name}")
