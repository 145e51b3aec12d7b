"""pip's settings for uv, which reads none of them: a machine that is set up for pip is set up for uv too."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from environment.commands import ask

# pip's name of a setting, uv's variable, and what uv puts between two values.
TRANSLATION = (
    ("index-url", "UV_DEFAULT_INDEX", " "),
    ("extra-index-url", "UV_INDEX", " "),
    ("find-links", "UV_FIND_LINKS", ","),
    ("constraint", "UV_CONSTRAINT", " "),
    ("cert", "SSL_CERT_FILE", " "),
)
SECTIONS = ("global", "install", ":env:")  # the later ones win, as in pip


def read_pip_settings(python: Path) -> dict[str, str]:
    """Return the settings that `pip install` would use, by name."""
    listing = ask([python, "-m", "pip", "config", "list"], {}) or ""
    entries = [line.partition("=") for line in listing.splitlines()]
    settings: dict[str, str] = {}
    for section in SECTIONS:
        for name, _, value in entries:
            if name.startswith(f"{section}."):
                settings[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return settings


def uv_variables(python: Path) -> dict[str, str]:
    """Return the environment in which uv looks where pip would look; what is set for uv already stays."""
    settings = read_pip_settings(python)
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"} if "extra-index-url" in settings else {}
    for name, variable, separator in TRANSLATION:
        if name in settings:
            variables[variable] = separator.join(settings[name].split())
    return {name: value for name, value in variables.items() if name not in os.environ}
