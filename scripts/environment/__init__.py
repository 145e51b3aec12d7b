"""The parts of setup.py. Standard library only: they run before anything is installed."""

import sys

OLDEST_PYTHON = (3, 11)
if sys.version_info[:2] < OLDEST_PYTHON:  # here, before an import that an older Python does not have
    sys.exit("setup: Python 3.11 or newer is needed; name one with `make PYTHON=python3.11 ...`")
