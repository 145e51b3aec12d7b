"""Defining programs is light; SGLang comes with the first run."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

DEFINE = """
import sys
import superinfer
from superinfer import EngineBackend, HTTPBackend, OpenAIBackend, SLO, function, gen, user
from superinfer.lang import *

@function(slo=SLO(cls="interactive"))
def program(s, question):
    s += user(question) + gen("a")

program = program.bind(question="?", slo="batch")
backend = OpenAIBackend("some-model")
superinfer.set_default_backend(backend)
print(*sorted({"sglang", "torch", "transformers", "numpy", "openai", "httpx", "rich"} & set(sys.modules)))
"""


def test_programs_are_defined_without_sglang():
    output = subprocess.run([sys.executable, "-c", DEFINE], capture_output=True, text=True, check=True).stdout
    assert output.strip() == ""
