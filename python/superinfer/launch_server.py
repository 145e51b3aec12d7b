"""``python -m superinfer.launch_server``: the same as ``superinfer serve``."""

import sys

from superinfer.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
