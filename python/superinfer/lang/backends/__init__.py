"""Where programs send their calls. Light: what SGLang needs of a backend is made when a program first runs."""

from superinfer.lang.backends.engine import EngineBackend
from superinfer.lang.backends.http import HTTPBackend
from superinfer.lang.backends.openai import OpenAIBackend

__all__ = ["EngineBackend", "HTTPBackend", "OpenAIBackend"]
