"""A server whose copies between device and host fail while a file says so: ``python -m support.faulty_server``.

``FAULTS`` names the file; what it holds, ``load`` or ``store``, fails.
"""

import os
import sys
from pathlib import Path

from superinfer.cli import main
from superinfer.srt.host import copies

WAYS = {"load_to_device_per_layer": "load", "backup_from_device_all_layer": "store"}


def failing(copy):
    def may_fail(*args):
        way = WAYS.get(sys._getframe(1).f_code.co_name)
        if way and way in Path(os.environ["FAULTS"]).read_text():
            raise OSError("no such page")
        copy(*args)

    return may_fail


# Not below: processes that are spawned import this again.
copies.copy_rows, copies.put_rows = failing(copies.copy_rows), failing(copies.put_rows)

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
