import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.cache.evictor import Evictor
from superinfer.cache.explain import explain
from superinfer.cache.history import HUB_CHILDREN, ITEMS
from superinfer.cache.learned import Learned
from superinfer.cache.predictor import CLASS_FEATURE
from superinfer.cache.score import STEPS_PER_OCTAVE, Cost, rates
from superinfer.cache.use import Use
from superinfer.training.network import Network
from unit.cache.factory import EDGES_S, constant, predictor, use

pytestmark = pytest.mark.unit


def grown(seed=0, requests=60):
    """A tree of conversations, as the learned rule sees it."""
    random = np.random.default_rng(seed)
    rule = Learned(predictor(seed))
    evictor, tips = Evictor(rule), [None]
    for seq in range(requests):
        now = use(seq, seq * 1.7, prompt_tokens=int(random.integers(1, 5000)), new_tokens=int(random.integers(0, 900)))
        tip = tips[random.integers(len(tips))]
        if tip is not None:
            evictor.access(tip, now)
        evictor.insert(seq, tip, int(random.integers(1, 600)), now)
        tips.append(seq)
    return evictor, rule


def test_it_computes_what_torch_does():
    _, rule = grown()
    slots, seen = np.arange(60), rule.history
    columns = (seen.static, seen.items, seen.codes.astype(np.int64), seen.seen.astype(np.int64))
    expected = []
    for number in range(2):
        network = Network(len(EDGES_S), dropout=0.1).eval()
        arrays = {name: torch.from_numpy(a[number]) for name, a in rule.predictor.arrays.items() if name != "edges_s"}
        network.load_state_dict(arrays)
        with torch.no_grad():
            expected.append(network(*(torch.from_numpy(column[slots]) for column in columns)).numpy())
    assert len({int(count) for count in seen.seen[slots]}) > 2
    np.testing.assert_allclose(rule.predictor.logits(seen, slots), np.mean(expected, 0), rtol=1e-4, atol=1e-4)


def test_a_batch_is_what_its_nodes_are_one_by_one():
    _, rule = grown()
    batch = rule.predictor.logits(rule.history, np.arange(60))
    single = [rule.predictor.logits(rule.history, np.array([slot]))[0] for slot in range(60)]
    assert (batch == np.array(single)).all()


def test_the_same_again_chooses_the_same():
    first, second = (grown()[0].victims(10**9, 200.0) for _ in range(2))
    assert first == second
    assert len(first) == 60


def test_a_new_turn_continues_its_conversations_history():
    evictor, rule = Evictor(rule := Learned(predictor())), rule
    evictor.insert("turn 1", None, 100, use(1, 0.0))
    evictor.access("turn 1", use(2, 10.0))
    evictor.insert("turn 2", "turn 1", 100, use(2, 10.0))
    one, two = (evictor.nodes.slots[name] for name in ("turn 1", "turn 2"))
    history = rule.history
    assert (history.seen[one], history.seen[two], history.uses[two]) == (2, 2, 1)
    assert (history.items[one] == history.items[two]).all()
    assert history.items[two][ITEMS - 1][0] == pytest.approx(np.log1p(10.0))


@pytest.mark.parametrize("sees", [True, False])
def test_a_predictor_that_knows_no_classes_is_told_of_none(sees):
    model = predictor()
    if not sees:
        model.arrays["item_scale"][:, CLASS_FEATURE] = 0.1
    rule = Learned(model)
    evictor = Evictor(rule)
    evictor.insert("a", None, 100, Use(1, 1.0, 100, slo_class=2))
    assert rule.history.items[evictor.nodes.slots["a"], -1, CLASS_FEATURE] == (2 if sees else 0)


def test_below_a_shared_beginning_histories_start_anew():
    rule = Learned(predictor())
    evictor = Evictor(rule)
    evictor.insert("system", None, 100, use(0))
    for seq in range(HUB_CHILDREN + 1):
        evictor.access("system", use(seq + 1))
        evictor.insert(seq, "system", 100, use(seq + 1))
    seen = [int(rule.history.seen[evictor.nodes.slots[name]]) for name in range(HUB_CHILDREN + 1)]
    assert seen == [2, 3, 4, 1]


def test_a_removed_node_comes_back_with_its_history():
    rule = Learned(predictor())
    evictor = Evictor(rule)
    evictor.insert("a", None, 100, use(1))
    evictor.remove("a")
    evictor.insert("a", None, 100, use(2))
    slot = evictor.nodes.slots["a"]
    assert (rule.history.uses[slot], evictor.nodes.uses[slot]) == (2, 1)


@settings(deadline=None)
@given(st.lists(st.floats(-6, 6), min_size=4, max_size=4))
def test_rates_are_the_best_over_all_times_to_give_up(logits):
    found = rates(np.array(logits, np.float32), np.array(EDGES_S, np.float32))
    hazards = 1 / (1 + np.exp(-np.array(logits, np.float32).astype(float)))
    widths = np.diff(EDGES_S, prepend=0.0)
    for start in range(4):
        best = 0.0
        for stop in range(start + 1, 5):
            survived = np.cumprod([1.0, *(1 - hazards[start:stop])])
            held_s = sum(survived[:-1] * widths[start:stop] * (1 - hazards[start:stop] / 2))
            best = max(best, (1 - survived[-1]) / held_s)
        assert found[start] == pytest.approx(best, rel=1e-5)


def test_what_is_dearer_to_compute_again_stays():
    far, near = Learned(constant(0.5, 0.5, 0.5, 0.5), Cost(1.0, 0.01)), Learned(constant(0.5, 0.5, 0.5, 0.5))
    for rule, first in ((far, "short"), (near, "deep")):
        evictor = Evictor(rule)
        evictor.insert("beginning", None, 10_000, use(1, 0.0))
        evictor.insert("deep", "beginning", 10, use(1, 0.0))
        evictor.insert("short", None, 10, use(2, 0.0))
        assert evictor.victims(1, 0.5) == [first]


def test_it_explains_itself():
    rule = Learned(constant(0.5, 0.5, 0.5, 0.5), Cost(2.0, 0.0, 4.0))
    evictor = Evictor(rule)
    evictor.insert("a", None, 10, use(1, 0.0))
    told = explain(rule, "a", 2.0)
    assert told["chances"] == {"4s": 0.5, "16s": 0.75, "64s": 0.875}
    assert (told["bytes"], told["recompute_ms"], told["price_holds_s"]) == (40.0, 20.0, 2.0)
    # In the horizon from 1 to 4 s: half a use in 3 s, three quarters of which it is held; a token over 4 bytes.
    assert told["price"] == round(STEPS_PER_OCTAVE * np.log2(0.5 / (3 * 0.75) / 4))
    with pytest.raises(ValueError, match="'b' is not known"):
        explain(rule, "b", 2.0)
