"""What can go wrong before a kernel runs."""


class KernelsUnavailable(RuntimeError):
    """The native kernels cannot be compiled or loaded here; the message says why."""
