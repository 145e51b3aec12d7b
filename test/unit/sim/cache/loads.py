"""Small loads with prefixes."""

from dataclasses import replace

import numpy as np

from superinfer.cache.use import Use
from superinfer.sim.cache.trace import Request, numbered

BLOCK = 512


def request(time_s, blocks, prompt_tokens=None):
    return Request(Use(0, time_s, prompt_tokens or BLOCK * len(blocks)), tuple(blocks))


def conversations(requests, think_s=5.0, seed=0, going_on=0.7):
    """Conversations in turn, each of which adds blocks to its prompt after a while, or ends."""
    random = np.random.default_rng(seed)
    due, found, block = [], [], 1
    at_s = 0.0
    while len(found) < requests:
        at_s += random.exponential(0.2)
        due.sort()
        if due and due[0][0] <= at_s:
            _, blocks = due.pop(0)
        else:
            blocks = (0,)
        more = int(random.integers(1, 4))
        blocks = (*blocks, *range(block, block + more))
        block += more
        found.append(request(at_s, blocks))
        if random.random() < going_on:
            due.append((at_s + random.exponential(think_s), blocks))
    return numbered(found)


def looped(requests, prompts=30, blocks=4, then=()):
    """The same prompts over and over, 0.2 s apart; ``then`` another load."""
    loop = [request(0.2 * n, [-10 - blocks * (n % prompts) - b for b in range(blocks)]) for n in range(requests)]
    return numbered(
        [*loop, *(replace(one, use=replace(one.use, time_s=one.use.time_s + 0.2 * requests)) for one in then)]
    )


def unshared(requests):
    """No prompt begins like another."""
    return numbered(request(0.1 * n, [4 * n + b for b in range(4)]) for n in range(requests))
