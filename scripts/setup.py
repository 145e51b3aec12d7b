"""Set up everything that `make demo` and `make test` need, once; later runs take a second.

The environment lives in the user's cache and `.venv` in the checkout points to it. Two routes lead there:

* ``lean``: sglang without what only a GPU needs, as pinned in requirements/, beside a CPU build of torch;
* ``full``: what `pip install` makes of pyproject.toml. Chosen on a machine with an NVIDIA GPU.

``auto`` tries the lean route where there is no GPU, and takes the full one when that fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from environment.errors import SetupError
from environment.project import install_superinfer, link_checkout
from environment.routes import ROUTES, build, routes_for
from environment.store import Store


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--route", choices=("auto", *ROUTES), default="auto")
    parser.add_argument("--venv", type=Path, metavar="DIR", help="build here and not in the user's cache")
    return parser.parse_args()


def find_or_build(stores: list[Store]) -> Store:
    """Return the first store that is complete, else the first that can be built.

    Raises:
        SetupError: The last route failed too.
    """
    for store in stores:
        if store.is_complete():
            return store
    for store in stores:
        try:
            with store.locked():
                if not store.is_complete():
                    build(store)
            return store
        except SetupError as error:
            if store is stores[-1]:
                raise
            print(f"setup: the {store.route} route failed, taking the next: {error}", flush=True)
    raise SetupError("no route to try")


def main() -> int:
    arguments = parse_arguments()
    started_s = time.monotonic()
    try:
        stores = [Store.for_route(route, arguments.venv) for route in routes_for(arguments.route)]
        store = find_or_build(stores)
        with store.locked():
            install_superinfer(store)
        link_checkout(store)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; the next run starts this environment afresh", file=sys.stderr)
        return 130
    elapsed_s = time.monotonic() - started_s
    print(f"setup: ready in {elapsed_s:.1f} s: .venv ({store.route}, {store.path})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
