"""Settings of every property test."""

from hypothesis import settings

# Time limits per example fail on a busy machine and say nothing about the code.
settings.register_profile("superinfer", deadline=None)
settings.load_profile("superinfer")
