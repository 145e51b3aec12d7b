"""Requests over time: from traces in public formats, and synthetic ones."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random

from superinfer.slo import SLO

PREFIX_BLOCK_TOKENS = 512
"""Prompt tokens that one identity in ``Arrival.prefix`` stands for: Mooncake's blocks."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request.

    Attributes:
        at_us: When it arrives, from the start of the load.
        prompt_tokens: Length of its prompt.
        output_tokens: Tokens it will produce; known to the load, not to the scheduler.
        slo: What it is promised.
        prefix: Identities of the leading blocks of its prompt. An identity stands for its block and all before it:
            equal identities mean equal prompts up to there.
        cached_tokens: Of a prompt without identities, tokens whose KV it finds in the pool, as a server found them.
    """

    at_us: int
    prompt_tokens: int
    output_tokens: int
    slo: SLO
    prefix: tuple[int, ...] = ()
    cached_tokens: int = 0


def read_azure(path: Path) -> list[Arrival]:
    """A trace of the Azure LLM inference dataset: CSV with ``TIMESTAMP,ContextTokens,GeneratedTokens``.

    Raises:
        ValueError: A line is not of that form; names the line.
    """
    arrivals: list[Arrival] = []
    with path.open(newline="") as file:
        start: datetime | None = None
        for row in (reader := csv.DictReader(file)):
            try:
                # Seven digits of a second, of which Python reads six.
                at = datetime.fromisoformat(row["TIMESTAMP"][:26])
                start = start or at
                sizes = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {reader.line_num}: not a row of an Azure trace ({error!r})") from error
            arrivals.append(_arrival(round((at - start).total_seconds() * 1e6), *sizes))
    return arrivals


def read_mooncake(path: Path) -> list[Arrival]:
    """A trace of Mooncake: JSON lines with ``timestamp`` (ms), ``input_length``, ``output_length`` and ``hash_ids``.

    The last identifies the prompt's blocks of ``PREFIX_BLOCK_TOKENS``; without it, requests share nothing.

    Raises:
        ValueError: A line is not of that form; names the line.
    """
    arrivals = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            arrival = _arrival(row["timestamp"] * 1000, row["input_length"], row["output_length"])
            arrivals.append(replace(arrival, prefix=tuple(int(block) for block in row.get("hash_ids", ()))))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: not a row of a Mooncake trace ({error!r})") from error
    return arrivals


def read_trace(path: Path) -> list[Arrival]:
    """A trace, by its suffix: ``.csv`` is Azure's format, ``.jsonl`` Mooncake's.

    Raises:
        ValueError: Another suffix, or a line that is not of that format.
    """
    readers = {".csv": read_azure, ".jsonl": read_mooncake}
    if path.suffix not in readers:
        raise ValueError(f"{path}: the suffix of a trace is .csv (Azure) or .jsonl (Mooncake)")
    return readers[path.suffix](path)


def poisson(rate_per_s: float, duration_s: float, prompt_tokens: int, output_tokens: int, seed: int) -> list[Arrival]:
    """Requests of one size that arrive independently of each other."""
    random, at_s, arrivals = Random(seed), 0.0, []
    while rate_per_s > 0 and (at_s := at_s + random.expovariate(rate_per_s)) < duration_s:
        arrivals.append(_arrival(round(at_s * 1e6), prompt_tokens, output_tokens))
    return arrivals


def scaled(arrivals: Iterable[Arrival], rate: float, duration_s: float) -> list[Arrival]:
    """The load at ``rate`` times its speed, cut off after ``duration_s`` of the result.

    Raises:
        ValueError: ``rate`` is not positive.
    """
    if rate <= 0:
        raise ValueError(f"rate must be positive, not {rate}")
    sped = (replace(arrival, at_us=round(arrival.at_us / rate)) for arrival in arrivals)
    return [arrival for arrival in sped if arrival.at_us < duration_s * 1e6]


def begun_anywhere(arrivals: Sequence[Arrival], seed: int) -> list[Arrival]:
    """The load from a random place on, with what comes before that place at its end: like loads, and another per seed.

    Args:
        arrivals: By arrival.
        seed: Same seed, same place.
    """
    if not arrivals:
        return []
    place = Random(f"place {seed}").randrange(len(arrivals))
    start_us, length_us = arrivals[place].at_us, arrivals[-1].at_us + 1
    turned = [*arrivals[place:], *arrivals[:place]]
    return [replace(arrival, at_us=(arrival.at_us - start_us) % length_us) for arrival in turned]


def merged(*loads: Sequence[Arrival]) -> list[Arrival]:
    """Several loads as one, in order of arrival; of equal times, in the order given."""
    return sorted((arrival for load in loads for arrival in load), key=lambda arrival: arrival.at_us)


def promised(arrivals: Iterable[Arrival], slo: SLO) -> Iterator[Arrival]:
    """The same load with this promise to each request."""
    return (replace(arrival, slo=slo) for arrival in arrivals)


def _arrival(at_us: int, prompt_tokens: int, output_tokens: int) -> Arrival:
    return Arrival(at_us, max(prompt_tokens, 1), max(output_tokens, 1), SLO())
