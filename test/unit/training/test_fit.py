from dataclasses import replace

import numpy as np
import pytest

from superinfer.cache.use import Kind
from superinfer.training.fit import Recipe, fit
from superinfer.training.samples import samples
from unit.sim.cache.loads import conversations, unshared

pytestmark = pytest.mark.unit

QUICK = Recipe(epochs=6, nodes=3, batch=64)


@pytest.fixture(scope="module")
def load():
    return conversations(1000)


@pytest.fixture(scope="module")
def fitted(load):
    return fit(load, QUICK)


def test_it_learns_something(fitted):
    assert fitted.loss < fitted.loss_without
    assert fitted.predictor.parameters < 10_000


def test_the_same_load_gives_the_same_predictor(load, fitted):
    again = fit(load, QUICK).predictor.arrays
    assert all((again[name] == array).all() for name, array in fitted.predictor.arrays.items())


def test_it_refuses_to_learn_from_nothing():
    with pytest.raises(ValueError, match="used again 0 times"):
        fit(unshared(50), QUICK)
    with pytest.raises(ValueError, match="no requests"):
        fit([], QUICK)


def test_samples_are_uses_and_the_time_to_the_next(load):
    found = samples(load)
    assert len(found.gap_s) == sum(len(one.blocks) for one in load)
    times = [one.use.time_s for one in load]
    shared = [row for row in range(len(found.gap_s)) if found.static[row, 0] < np.log(600)]
    assert found.gap_s[shared[:-1]] == pytest.approx(np.diff(times))
    assert np.isinf(found.gap_s[shared[-1]])


def test_what_comes_after_the_cut_is_not_known(load):
    found = samples(load)
    end_s = load[-1].use.time_s - load[500].use.time_s
    early = found.where(found.request < 500, end_s)
    assert (early.watched_s >= 0).all()
    assert (early.gap_s[np.isfinite(early.gap_s)] <= early.watched_s[np.isfinite(early.gap_s)]).all()
    assert np.isinf(early.gap_s).sum() > np.isinf(found.gap_s[found.request < 500]).sum()


def test_what_was_not_seen_is_taken_for_what_was(load):
    kinds = [Kind.USER if one.use.seq % 2 else Kind.TOOL for one in load]
    told = [replace(one, use=replace(one.use, kind=kind)) for one, kind in zip(load, kinds, strict=True)]
    arrays = fit(told, QUICK).predictor.arrays["kind"]
    seen = arrays[:, [Kind.USER, Kind.TOOL]]
    assert (seen[:, 0] != seen[:, 1]).any()
    for kind in (Kind.UNKNOWN, Kind.SYSTEM, Kind.GENERATED):
        np.testing.assert_allclose(arrays[:, kind], seen.mean(1), rtol=1e-6)
