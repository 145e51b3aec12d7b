"""What the tests of the host tier share."""

from contextlib import contextmanager

import pytest

from integration.conftest import STRICT
from superinfer.config import Config, HostConfig, RotationConfig
from support.engine import running_engine

GREEDY = {"temperature": 0, "ignore_eos": True}


def prompt(index, tokens):
    """Prompts that have nothing in common."""
    return [(index * 31 + i * 7 + i * i * (index + 3)) % 250 + 2 for i in range(tokens)]


@contextmanager
def small_engine(model, *, host=None, kv_tokens=512, force_every=0, **settings):
    """An engine in a process of its own, every slot of KV accounted for after each step."""
    config = Config(host=host or HostConfig(), rotation=RotationConfig(force_every=force_every, slice_ms=20))
    base = {"model_path": str(model), "dtype": "float32", "random_seed": 0, "max_total_tokens": kv_tokens}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in STRICT.items():
            environment.setenv(name, value)
        with running_engine(slo_config=config, **{**base, **settings}) as running:
            yield running
