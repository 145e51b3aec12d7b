import pytest

from superinfer.kv import Format
from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan
from superinfer.sched.state import SLOState
from superinfer.sim.kv_account import KvAccount, parse_formats, shape_of
from superinfer.sim.models import model
from superinfer.sim.run import simulate
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from unit.sim.simulated import BATCH, CHAT, machine

pytestmark = pytest.mark.unit

SHAPE = shape_of(model("llama-3.1-70b"))
NATIVE, INT8, INT4 = (SHAPE.page_bytes(fmt) for fmt in Format)


def account(**formats):
    return KvAccount(SHAPE, {name: Format[fmt.upper()] for name, fmt in formats.items()})


def job(seq, tokens, cls="batch", phase=Phase.RUNNING, prefix=()):
    return Job(SLOState(SLO(cls=cls), 0, seq, 0), 5_000, 10, tokens, phase=phase, prefix=prefix)


def noted(account, *jobs, plan=None):
    account.note(jobs, plan or Plan())
    return account.figures()


def test_a_token_of_llama_70b_takes_320_kib():
    assert NATIVE == 32 * 320 * 1024


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [(1, NATIVE), (32, NATIVE), (33, INT8 + NATIVE), (64, INT8 + NATIVE), (3_201, INT8 + 99 * INT4 + NATIVE)],
)
def test_full_pages_are_sealed_and_the_first_one_is_not_coarser_than_int8(tokens, kept):
    figures = noted(account(batch="int4"), job(0, tokens))
    assert figures["peak_bytes"] == kept
    assert figures["peak_native_bytes"] == -(-tokens // 32) * NATIVE


def test_classes_peak_at_times_of_their_own():
    one = account(batch="int8")
    noted(one, job(0, 320), job(1, 32, "interactive"))
    figures = noted(one, job(0, 32), job(1, 96, "interactive"))
    assert figures["classes"] == {
        "batch": {"format": "int8", "peak_native_bytes": 10 * NATIVE, "peak_bytes": 9 * INT8 + NATIVE},
        "interactive": {"format": "native", "peak_native_bytes": 3 * NATIVE, "peak_bytes": 3 * NATIVE},
    }
    assert figures["peak_native_bytes"] == 11 * NATIVE
    assert figures["peak_bytes"] == 9 * INT8 + 2 * NATIVE


def test_what_the_step_computes_counts_and_what_waits_does_not():
    running, begun, waiting, parked = job(0, 32), job(1, 0), job(2, 64, phase=Phase.WAITING), job(3, 64)
    parked.phase = Phase.PARKED
    figures = noted(account(), running, begun, waiting, parked, plan=Plan((running,), (Chunk(begun, 40),)))
    assert figures["peak_native_bytes"] == (2 + 2 + 2) * NATIVE


def test_shared_blocks_belong_to_no_class():
    with pytest.raises(ValueError, match="requests share"):
        noted(account(), job(0, 600, prefix=(1,)))


def test_a_run_counts_as_many_tokens_as_its_pool():
    load = [Arrival(n * 50_000, 200, 40, BATCH if n % 2 else CHAT) for n in range(12)]
    counted = account(batch="int4")
    run = simulate(load, "fcfs", machine(), kv=counted)
    kv = run.figures()["kv"]
    peak = run.totals.peak_kv_tokens
    assert peak * NATIVE / 32 <= kv["peak_native_bytes"] <= (peak + 31 * len(load)) * NATIVE / 32
    assert kv["classes"]["interactive"]["peak_bytes"] == kv["classes"]["interactive"]["peak_native_bytes"]
    assert kv["classes"]["batch"]["peak_bytes"] < 0.5 * kv["classes"]["batch"]["peak_native_bytes"]
    assert "kv" not in simulate(load, "fcfs", machine()).figures()


def test_formats_are_read():
    assert parse_formats("batch:int4, standard:int8") == {"batch": Format.INT4, "standard": Format.INT8}


@pytest.mark.parametrize("text", ["batch", ":int4", "batch:int3", "batch:int4,batch:int8"])
def test_what_are_no_formats_is_named(text):
    with pytest.raises(ValueError, match="kv_formats"):
        parse_formats(text)
