"""Comparisons of SuperInfer with other engines and with itself; not part of the package."""
