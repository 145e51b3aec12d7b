"""What each rank decides, in a file of its own: ranks that disagree hang, and this says where they parted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from superinfer.srt.rotation import Rotation


class DecisionLog:
    """One line of JSON for each pass that changes something.

    Args:
        folder: Where the file goes; made if it is not there.
        rank: Of this process, which names the file: ``rank0.jsonl``.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, folder: str, rank: int) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._file = Path(folder, f"rank{rank}.jsonl").open("wb", buffering=0)  # noqa: SIM115 (as long as the process)

    def write(self, now_us: int, rotation: Rotation, evicted: Sequence[str] = ()) -> None:
        """Note the plan of a pass, and names of what was evicted since the one before."""
        admission = rotation.admission
        if not (admission or rotation.parked or rotation.rejected or evicted):
            return
        line = {
            "at_us": now_us,
            "admit": _rids(admission.order),
            "tokens": admission.tokens,
            "resumed_tokens": admission.resumed_tokens,
            "park": _rids(rotation.parked),
            "reject": _rids(rotation.rejected),
            "evicted": list(evicted),
        }
        self._file.write(msgspec.json.encode(line) + b"\n")


def _rids(reqs: Any) -> list[str]:
    return [req.rid for req in reqs]
