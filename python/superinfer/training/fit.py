"""From a load to a predictor: censored likelihood of the horizon of the next use, in a minute on one core."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from superinfer.cache.predictor import Predictor
from superinfer.sim.cache.trace import Request
from superinfer.training.network import Network
from superinfer.training.samples import Samples, samples

Numbers = NDArray[np.float32]

HORIZONS = 18
NETWORKS = 3
LEAST_USES = 500
"""Uses of nodes again, below which there is nothing to learn from."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to learn.

    Attributes:
        epochs: Passes over the load, at most.
        nodes: Nodes drawn from each request and pass; those of one prompt have nearly the same future.
        held_out: Last part of the load, which chooses the number of passes.
        dropout, decay, rate: Of the network and AdamW.
        batch: Nodes per step.
        seed: Of everything random.
    """

    epochs: int = 12
    nodes: int = 6
    held_out: float = 0.25
    dropout: float = 0.1
    decay: float = 0.1
    rate: float = 3e-3
    batch: int = 512
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fitted:
    """A predictor, and how well it did on the part it had not learnt from.

    Attributes:
        predictor: Learnt from the whole load.
        epochs: Passes that served best.
        loss: Negative log likelihood per use in the part held out, of one network.
        loss_without: The same of the best constant hazard for each horizon.
    """

    predictor: Predictor
    epochs: int
    loss: float
    loss_without: float


def fit(load: Sequence[Request], recipe: Recipe | None = None) -> Fitted:
    """Learn from a load. Like loads give like predictors, on like machines.

    Raises:
        ValueError: Hardly anything in it is used again.
    """
    recipe = recipe or Recipe()
    known = samples(load)
    again = int(np.isfinite(known.gap_s).sum())
    if again < LEAST_USES:
        raise ValueError(
            f"prefixes are used again {again} times in this load: {LEAST_USES} are needed to learn from it"
        )
    edges_s = _edges(known)
    cut = load[int(len(load) * (1 - recipe.held_out))].use
    early = known.where(known.request < cut.seq, end_s=load[-1].use.time_s - cut.time_s)
    late = known.where(known.request >= cut.seq)
    with _one_thread():
        losses = [loss for _, loss in _passes(early, late, edges_s, recipe, recipe.epochs, recipe.seed)]
        epochs = int(np.argmin(losses)) + 1
        networks = []
        for number in range(NETWORKS):
            *_, (network, _) = _passes(known, late, edges_s, recipe, epochs, recipe.seed + number)
            networks.append(_unseen_as_seen(network.arrays(), known))
    arrays = {name: np.stack([network[name] for network in networks]) for name in networks[0]}
    predictor = Predictor({**arrays, "edges_s": edges_s.astype(np.float32)})
    return Fitted(predictor, epochs, losses[epochs - 1], _constant_loss(early, late, edges_s))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Steps are so small that threads would mostly wait for each other; and sums do not depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _edges(known: Samples) -> NDArray[np.float64]:
    """Ends of the horizons: from the shortest gaps that matter to nearly the longest seen, in equal ratios."""
    gaps = known.gap_s[np.isfinite(known.gap_s) & (known.gap_s > 0)]
    shortest, longest = np.percentile(gaps, (1, 99.5)) if len(gaps) else (1.0, 1000.0)
    return np.geomspace(max(shortest / 4, 0.05), max(longest, shortest + 1.0), HORIZONS)


def _passes(
    learnt: Samples, judged: Samples, edges_s: NDArray[np.float64], recipe: Recipe, epochs: int, seed: int
) -> Iterator[tuple[Network, float]]:
    """After each pass over what is learnt, the network so far and its loss on what is judged."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = _network(learnt, recipe)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    held = _drawn(judged, recipe.nodes, random)
    for _ in range(epochs):
        network.train()
        rows = random.permutation(_drawn(learnt, recipe.nodes, random))
        for start in range(0, len(rows), recipe.batch):
            optimizer.zero_grad()
            _loss(network, learnt, rows[start : start + recipe.batch], edges_s).backward()
            optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            yield network, float(_loss(network, judged, held, edges_s))


def _unseen_as_seen(arrays: dict[str, Numbers], known: Samples) -> dict[str, Numbers]:
    """Kinds and tenants that this load has not shown are taken for the mean of those that it has."""
    for column, name in enumerate(("kind", "tenant")):
        rows = arrays[name]
        seen = np.unique(known.codes[:, column])
        unseen = np.setdiff1d(np.arange(len(rows)), seen)
        rows[unseen] = rows[seen].mean(0)
    return arrays


def _network(learnt: Samples, recipe: Recipe) -> Network:
    network = Network(HORIZONS, recipe.dropout)
    latest = learnt.items[:, -1]
    for name, rows in (("static", learnt.static), ("item", latest)):
        getattr(network, f"{name}_center").copy_(torch.from_numpy(rows.mean(0)))
        # A feature that hardly varies must not explode where it does.
        getattr(network, f"{name}_scale").copy_(torch.from_numpy(np.maximum(rows.std(0), 0.1)))
    with torch.no_grad():
        network.out_bias.fill_(-4.0)
    return network


def _drawn(known: Samples, nodes: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of ``nodes`` nodes of each request, or all it has."""
    order = np.lexsort((random.random(len(known.request)), known.request))
    requests = known.request[order]
    starts = np.flatnonzero(np.diff(requests, prepend=-1))
    lengths = np.diff(starts, append=len(requests))
    rank = np.arange(len(requests)) - np.repeat(starts, lengths)
    return order[rank < nodes]


def _loss(network: Network, known: Samples, rows: NDArray[np.int64], edges_s: NDArray[np.float64]) -> torch.Tensor:
    columns = (known.static, known.items, known.codes.astype(np.int64), known.seen.astype(np.int64))
    logits = network(*(torch.from_numpy(column[rows]) for column in columns))
    asked, used = (torch.from_numpy(part.astype(np.float32)) for part in _horizons(known, rows, edges_s))
    return (binary_cross_entropy_with_logits(logits, used, reduction="none") * asked).sum() / len(rows)


def _horizons(
    known: Samples, rows: NDArray[np.int64], edges_s: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which horizons are known to have been reached and seen to the end or to the use, and in which the use was."""
    gap_s, watched_s = known.gap_s[rows], known.watched_s[rows]
    used = np.isfinite(gap_s)
    last = np.searchsorted(edges_s, np.where(used, gap_s, watched_s), "right")[:, None]
    horizon = np.arange(len(edges_s))
    hit = (horizon == last) & used[:, None]
    return (horizon < last) | hit, hit


def _constant_loss(learnt: Samples, judged: Samples, edges_s: NDArray[np.float64]) -> float:
    asked, used = _horizons(learnt, np.arange(len(learnt.gap_s)), edges_s)
    hazard = np.clip(used.sum(0) / np.maximum(asked.sum(0), 1), 1e-6, 1 - 1e-6)
    asked, used = _horizons(judged, np.arange(len(judged.gap_s)), edges_s)
    return float(-(used * np.log(hazard) + (asked & ~used) * np.log(1 - hazard)).sum() / len(judged.gap_s))
