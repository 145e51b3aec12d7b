"""SHA-256 of files too large to read at once."""

import hashlib
from pathlib import Path

from superinfer.models.errors import ModelChecksumError


def verify_sha256(path: Path, expected: str) -> None:
    """Check that a file has the content it must have.

    Raises:
        ModelChecksumError: The content differs; the message names the file and both digests.
    """
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != expected:
        raise ModelChecksumError(
            f"{path} has sha256 {actual}, but this version of SuperInfer serves only {expected}: "
            "the file is damaged or is another release; remove it and start again."
        )
