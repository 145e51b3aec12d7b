"""Errors that end a command with a sentence instead of a traceback."""


class UserError(Exception):
    """Something only the user can put right; the message says what."""
