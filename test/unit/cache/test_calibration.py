import numpy as np
import pytest

from superinfer.cache import calibration
from superinfer.cache.calibration import Calibration

pytestmark = pytest.mark.unit

EDGES_S = [1.0, 2.0, 4.0]


def test_it_learns_the_true_chances():
    random, corrections = np.random.default_rng(0), Calibration(EDGES_S)
    true, now_s = np.array([0.2, 0.1, 0.4]), 0.0
    for node in range(40_000):
        now_s += 10.0
        corrections.advance(now_s)
        corrections.watch(node * calibration.SAMPLE, now_s, np.zeros(3, np.float32))
        reached = next((index for index in range(3) if random.random() < true[index]), None)
        if reached is not None:
            corrections.watch(node * calibration.SAMPLE, now_s + EDGES_S[reached] - 0.5, np.zeros(3, np.float32))
            corrections.forget(node * calibration.SAMPLE)
    chances = 1 / (1 + np.exp(-corrections.apply(np.zeros(3, np.float32))))
    assert chances == pytest.approx(true, abs=0.05)


def test_it_stays_within_its_limit():
    corrections = Calibration([1.0])
    for number in range(int(calibration.LIMIT / calibration.RATE) * 60):
        corrections.advance(2.0 * number)
        corrections.watch(number, 2.0 * number, np.full(1, 5.0, np.float32))
    assert corrections.shift[0] == -calibration.LIMIT


def test_what_is_forgotten_teaches_nothing():
    corrections = Calibration(EDGES_S)
    corrections.watch(0, 0.0, np.zeros(3, np.float32))
    corrections.forget(0)
    corrections.advance(100.0)
    assert not corrections.shift.any()
