"""The arguments of ``superinfer serve``: ours here, everything else is SGLang's."""

import argparse
import atexit
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from superinfer.config import Config, ConfigError, KvConfig, load_config

_OWN_KEYS = ("slo-classes", "default-slo-class", "kv-budget", "kv-regions", "kv-seal", "model")


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """A parsed command line.

    Attributes:
        config: SuperInfer's configuration.
        sglang: Arguments for SGLang's parser.
        names_model: Whether a model was named; if not, the embedded one is served.
    """

    config: Config
    sglang: list[str]
    names_model: bool


def build_parser() -> argparse.ArgumentParser:
    """The parser of our own arguments."""
    parser = argparse.ArgumentParser(
        prog="superinfer serve",
        usage="superinfer serve [MODEL] [--slo-classes FILE] [--default-slo-class NAME] [--kv-budget SIZE] "
        "[SGLang's arguments]",
        description="Serve MODEL (a Hugging Face id or a path) over HTTP on 127.0.0.1:30000; without MODEL, the "
        "embedded SmolLM2-135M-Instruct.",
        epilog="Every argument of `sglang serve` works here; `superinfer serve --help-sglang` lists them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--slo-classes",
        metavar="FILE",
        type=Path,
        help="TOML, YAML or JSON file that defines SLO classes, limits per tenant or API key, and scheduling",
    )
    parser.add_argument(
        "--default-slo-class", metavar="NAME", help="class of requests that name none (default: standard)"
    )
    parser.add_argument(
        "--kv-budget",
        metavar="SIZE",
        help="keep KV in several formats, in so many bytes, such as 1g (default: all native, as SGLang does)",
    )
    parser.add_argument(
        "--kv-regions",
        metavar="SHARES",
        help="how to divide the budget between the formats, such as native:0.4,int8:0.1,int4:0.5 "
        f"(default: {KvConfig().regions}, as the requests need it)",
    )
    parser.add_argument(
        "--kv-seal",
        metavar="WHEN",
        help="when full pages of requests that accept a coarser format get it: late, once native memory runs short, or "
        f"full, at once (default: {KvConfig().seal})",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="YAML file of arguments, SGLang's and these, by their long names; the command line wins",
    )
    parser.add_argument("--help-sglang", action="store_true", help="show SGLang's arguments and exit")
    return parser


def parse_serve(argv: Sequence[str]) -> ServeArguments:
    """Split a command line into our part and SGLang's.

    Raises:
        ConfigError: A file cannot be read, or its content or an argument is not valid.
    """
    # A positional would swallow the value of a flag that only SGLang knows, so it counts only in first place.
    model = argv[0] if argv and not argv[0].startswith("-") else None
    known, rest = build_parser().parse_known_args(argv[1:] if model else argv)
    file = _read_config_file(known.config) if known.config else {}
    own = {key: file.pop(key, None) for key in _OWN_KEYS}
    model = model or own["model"]
    classes = known.slo_classes or own["slo-classes"]
    default = own["default-slo-class"] if known.default_slo_class is None else known.default_slo_class
    named = bool(model) or "model-path" in file or any(a.split("=")[0] in ("--model-path", "--model") for a in rest)
    return ServeArguments(
        config=_config(
            Path(classes) if classes else None,
            default,
            {
                name: own[f"kv-{name}"] if given is None else given
                for name, given in (
                    ("budget", known.kv_budget),
                    ("regions", known.kv_regions),
                    ("seal", known.kv_seal),
                )
            },
        ),
        sglang=[*(["--model-path", model] if model else []), *_sglang_config_file(file), *rest],
        names_model=named,
    )


def _config(classes: Path | None, default: str | None, kv: dict[str, Any]) -> Config:
    config = load_config(classes) if classes else Config()
    if default is not None:
        config = msgspec.structs.replace(config, default_slo_class=default)
    given = {name: value for name, value in kv.items() if value is not None}
    config = msgspec.structs.replace(config, kv=msgspec.structs.replace(config.kv, **given))
    config.slo_policy()
    config.kv.check()
    return config


def _read_config_file(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"--config {path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: {error}") from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(f"--config {path}: must be a mapping of argument names to values")
    # SGLang's parser knows its arguments only with dashes.
    settings = {key.replace("_", "-"): value for key, value in data.items()}
    for key in _OWN_KEYS:
        if not isinstance(settings.get(key, ""), str):
            raise ConfigError(f"--config {path}: {key} must be a string")
    return settings


def _sglang_config_file(settings: dict[str, Any]) -> list[str]:
    """What is left of the file is SGLang's, whose parser knows how to read a file of its own arguments."""
    if not settings:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="superinfer-", delete=False) as file:
        atexit.register(Path(file.name).unlink, missing_ok=True)
        yaml.safe_dump(settings, file)
    return ["--config", file.name]
