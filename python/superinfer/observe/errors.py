"""Errors of publishing and watching."""


class ObserveError(Exception):
    """The scheduler cannot be watched; the message names the address and the cause."""
