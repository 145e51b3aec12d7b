"""What goes wrong in a set-up, in one sentence."""


class SetupError(Exception):
    """A step of the set-up failed; the message says which and why."""
