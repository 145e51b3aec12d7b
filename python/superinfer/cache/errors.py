"""Errors of the cache."""


class ModelFileError(Exception):
    """A predictor's file cannot be used. The message names the file and the cause."""


class AccessLogError(ValueError):
    """A line of an access log cannot be used. The message names the file, the line and the cause."""
