"""Predictors and uses for tests of the cache."""

import numpy as np

from superinfer.cache.predictor import Predictor, shapes
from superinfer.cache.use import Use

EDGES_S = (1.0, 4.0, 16.0, 64.0)


def predictor(seed=0, edges_s=EDGES_S, scale=0.5):
    """Random numbers, small enough that nothing saturates."""
    random = np.random.default_rng(seed)
    stacked = {name: (2, *shape) for name, shape in shapes(len(edges_s)).items()}
    arrays = {name: random.normal(0, scale, shape).astype(np.float32) for name, shape in stacked.items()}
    for name in ("static_scale", "item_scale"):
        arrays[name] = np.full_like(arrays[name], 2.0)
    return Predictor(arrays | {"edges_s": np.array(edges_s, np.float32)})


def constant(*chances, edges_s=EDGES_S):
    """Says the same of every node: these chances, horizon by horizon."""
    arrays = {name: np.zeros((1, *shape), np.float32) for name, shape in shapes(len(edges_s)).items()}
    for name in ("static_scale", "item_scale"):
        arrays[name] = np.ones_like(arrays[name])
    odds = np.array(chances, np.float64) / (1 - np.array(chances, np.float64))
    return Predictor(
        arrays | {"edges_s": np.array(edges_s, np.float32), "out_bias": np.log(odds).astype(np.float32)[None]}
    )


def use(seq, time_s=None, prompt_tokens=1000, new_tokens=0):
    return Use(seq, float(seq) if time_s is None else time_s, prompt_tokens, new_tokens)
