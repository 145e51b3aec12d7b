import numpy as np
import pytest

from superinfer.cache import calibration
from superinfer.cache.calibration import Calibration
from superinfer.cache.use import Use

pytestmark = pytest.mark.unit

EDGES_S = [1.0, 2.0, 4.0]
GROUPS = (1, calibration.ALL)


def use(seq, time_s=0.0, slo_class=0, tenant=0):
    return Use(seq, time_s, 100, slo_class=slo_class, tenant=tenant)


def chances(corrections, groups):
    return 1 / (1 + np.exp(-corrections.apply(np.zeros(3, np.float32), groups)))


def test_it_learns_the_true_chances():
    random, corrections = np.random.default_rng(0), Calibration(EDGES_S)
    true, now_s = np.array([0.2, 0.1, 0.4]), 0.0
    for node in range(40_000):
        now_s += 10.0
        corrections.advance(now_s)
        corrections.watch(node * calibration.SAMPLE, now_s, np.zeros(3, np.float32), GROUPS)
        reached = next((index for index in range(3) if random.random() < true[index]), None)
        if reached is not None:
            at_s = now_s + EDGES_S[reached] - 0.5
            corrections.watch(node * calibration.SAMPLE, at_s, np.zeros(3, np.float32), GROUPS)
            corrections.forget(node * calibration.SAMPLE)
    assert chances(corrections, GROUPS) == pytest.approx(true, abs=0.05)


def test_it_stays_within_its_limit():
    corrections = Calibration([1.0])
    for number in range(int(calibration.LIMIT / calibration.RATE) * 60):
        corrections.advance(2.0 * number)
        corrections.watch(number, 2.0 * number, np.full(1, 5.0, np.float32), GROUPS)
    assert corrections.state.shift.min() >= -calibration.GROUP_LIMIT
    assert (np.abs(corrections.state.shift[calibration.ALL]) <= calibration.LIMIT).all()


def test_what_is_forgotten_teaches_nothing():
    corrections = Calibration(EDGES_S)
    corrections.watch(0, 0.0, np.zeros(3, np.float32), GROUPS)
    corrections.forget(0)
    corrections.advance(100.0)
    assert not corrections.state.shift.any()


def traffic(corrections, seconds, horizons=3):
    """Each second a document of four blocks that never comes back, and a chat that does, again and again."""
    _, chat, scan = (corrections.groups(use(1, 0.0, slo_class=rank)) for rank in (2, 0, 2))
    for second in range(seconds):
        corrections.advance(float(second))
        for block in range(4):
            corrections.watch(1000 + 4 * second + block, float(second), np.zeros(horizons, np.float32), scan)
            if second % 3 == 0:
                corrections.watch(block, float(second), np.zeros(horizons, np.float32), chat)
    return chat, scan


def test_a_class_that_never_comes_back_is_known_within_a_minute():
    corrections = Calibration(EDGES_S)
    chat, scan = traffic(corrections, 60)
    assert max(chances(corrections, scan)) < 0.1
    # Chats came back after three seconds, each time.
    assert chances(corrections, chat)[2] > 0.6


def test_horizons_that_nobody_has_reached_yet_are_judged_by_those_before():
    corrections = Calibration([1.0, 2.0, 4.0, 1000.0])
    _, scan = traffic(corrections, 60, horizons=4)
    found = 1 / (1 + np.exp(-corrections.apply(np.zeros(4, np.float32), scan)))
    assert found[3] < 0.2


def test_classes_and_tenants_differ_once_there_are_two():
    corrections = Calibration(EDGES_S)
    assert corrections.groups(use(1)) == (calibration.ALL, calibration.ALL)
    assert corrections.groups(use(1, slo_class=1))[1] == calibration.ALL
    rows = {row for tenant in (1, 2) for row in corrections.groups(use(1, slo_class=tenant, tenant=tenant))}
    assert len(rows | {calibration.ALL}) == 5


@pytest.mark.parametrize(("true", "low", "high"), [(False, 0.0, 0.4), (True, 0.7, 1.5)], ids=["made up", "true"])
def test_what_does_not_come_true_counts_for_less(true, low, high):
    random, corrections = np.random.default_rng(1), Calibration([1.0])
    for number in range(4000):
        logit = random.choice([-2.0, 2.0])
        chance = 1 / (1 + np.exp(-logit)) if true else 0.5
        corrections.advance(2.0 * number)
        corrections.watch(number, 2.0 * number, np.array([logit], np.float32), GROUPS)
        if random.random() < chance:
            corrections.watch(number, 2.0 * number + 0.5, np.array([logit], np.float32), GROUPS)
            corrections.forget(number)
    assert low <= corrections.state.slope[GROUPS[0], 0] <= high
