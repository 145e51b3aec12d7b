"""Steps and requests of a real server, as it measured them: what it writes, what the simulator learns a machine from,
and what the simulator is judged by."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class MeasuredStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step: the fields of ``sched.step_time.StepLoad``, and what it took.

    Attributes:
        decode_rows: Requests that decoded one token each.
        kv_tokens: Tokens whose keys and values these read.
        prefill_tokens: Prompt tokens computed.
        prefill_pairs: Over these tokens, the sum of the tokens that each attends to: its context.
        elapsed_us: From the start of this step to the start of the next, with no idle time between.
    """

    decode_rows: Count = 0
    kv_tokens: Count = 0
    prefill_tokens: Count = 0
    prefill_pairs: Count = 0
    elapsed_us: Positive


class MeasuredRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request that was finished, and how fast it was served.

    Attributes:
        at_us: When it arrived, from any start that all of them share.
        prompt_tokens: Length of its prompt.
        cached_tokens: Of these, what the server found in its cache.
        output_tokens: Tokens it got.
        slo: What it was promised, as in the body of a request; without a class, the server's default.
        first_us: From its arrival to its first token.
        last_us: From its arrival to its last token.
    """

    at_us: Count
    prompt_tokens: Positive
    cached_tokens: Count = 0
    output_tokens: Positive
    slo: dict[str, Any] = msgspec.field(default_factory=dict)
    first_us: Positive
    last_us: Positive

    def __post_init__(self) -> None:
        if self.cached_tokens >= self.prompt_tokens:
            raise ValueError(f"cached_tokens must be less than prompt_tokens, not {self.cached_tokens}")
        if self.last_us < self.first_us:
            raise ValueError(f"last_us must not be before first_us, not {self.last_us}")


class MeasuredRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of a real server.

    Attributes:
        machine: What it ran on, for people.
        model: What it served, for people.
        kv_tokens: Tokens that its KV pool holds.
        load_back_us_per_token: Time to bring the KV of a token back from host memory; ``None`` where it cannot.
        steps: In the order in which they ran.
        requests: That were served meanwhile, if the server noted them.
        rotation: Settings of the rotating policy that served them (``sched.rotation.RotationSettings`` as a map);
            ``None``: as they are by default.
        classes: SLO classes of the server, the most important first.
    """

    machine: str
    model: str
    kv_tokens: Positive
    load_back_us_per_token: Annotated[float, msgspec.Meta(ge=0)] | None = None
    steps: tuple[MeasuredStep, ...]
    requests: tuple[MeasuredRequest, ...] = ()
    rotation: dict[str, Any] | None = None
    classes: tuple[str, ...] = ("interactive", "standard", "batch")


def read_steps(path: Path) -> MeasuredRun:
    """A measured run from a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not such a run; names the file and the field.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=MeasuredRun)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from None


def write_steps(run: MeasuredRun, path: Path) -> None:
    """Write a run as JSON that ``read_steps`` reads.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_bytes(msgspec.json.encode(run) + b"\n")
