import pytest

from superinfer.sched.job import Phase
from superinfer.sim.memory import Memory, PlanError
from unit.sched.jobs import job

pytestmark = pytest.mark.unit


def computed(memory, seq, prefix, tokens=1100, prompt=1100):
    """A request that has computed these tokens."""
    made = job(seq, prompt=prompt, prefix=prefix)
    memory.match(made)
    memory.begin(made)
    made.phase = Phase.PREFILL
    made.computed_tokens = tokens
    memory.computed(made)
    return made


def test_what_two_requests_share_is_there_once():
    memory = Memory(10_000)
    jobs = [computed(memory, 0, (1, 2, 3)), computed(memory, 1, (1, 2, 4))]
    assert memory.used(jobs) == 1100 + 76
    assert memory.cached_tokens == 1024


def test_two_that_compute_the_same_at_once_keep_one_copy():
    memory = Memory(10_000)
    first, second = (computed(memory, seq, (1, 2, 3), tokens=0) for seq in range(2))
    for made in (first, second):
        made.computed_tokens = 1100
        memory.computed(made)
    assert memory.used([first, second]) == 1024 + 2 * 76


def test_blocks_stay_after_the_end_until_the_room_is_needed():
    memory = Memory(2000)
    memory.end(computed(memory, 0, (1, 2, 3)))
    assert memory.used([]) == 1024
    assert memory.make_room(900, []) == 1924
    assert memory.make_room(1200, []) == 512 + 1200
    later = job(1, prompt=1100, prefix=(1, 2, 3))
    memory.match(later)
    assert later.computed_tokens == 512


def test_the_least_recently_used_goes_first_and_the_end_of_a_prompt_before_its_beginning():
    memory = Memory(4000)
    for seq, prefix in enumerate([(1, 2, 3), (7, 8, 9), (1, 2, 3)]):
        memory.end(computed(memory, seq, prefix))
    found = []
    for room in (2464, 2976, 3488):
        memory.make_room(room, [])
        matches = [job(9, prompt=1100, prefix=prefix) for prefix in ((1, 2, 3), (7, 8, 9))]
        for made in matches:
            memory.match(made)
        found.append([made.computed_tokens for made in matches])
    assert found == [[1024, 512], [1024, 0], [512, 0]]


def test_held_blocks_and_streams_do_not_go():
    memory = Memory(2000)
    made = computed(memory, 0, (1, 2, 3))
    with pytest.raises(PlanError, match="needs 1 tokens of KV more"):
        memory.make_room(901, [made])


def test_parked_requests_go_to_the_host_after_idle_blocks_and_leave_theirs():
    memory = Memory(4000)
    parked = computed(memory, 0, (1, 2, 3))
    parked.phase = Phase.PARKED
    memory.park(parked)
    memory.end(computed(memory, 1, (7, 8, 9)))
    memory.make_room(2900, [parked])
    assert (parked.computed_tokens, parked.host_tokens) == (1100, 0)
    memory.make_room(2976, [parked])
    assert (parked.computed_tokens, parked.host_tokens) == (0, 1100)
    assert memory.used([parked]) == 1024


def test_without_a_host_they_are_lost():
    memory = Memory(2000, host=False)
    parked = computed(memory, 0, ())
    parked.phase = Phase.PARKED
    memory.park(parked)
    memory.make_room(1000, [parked])
    assert (parked.computed_tokens, parked.host_tokens, memory.lost_tokens) == (0, 0, 1100)
