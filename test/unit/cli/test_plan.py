import json

import pytest

from superinfer.cli import main

pytestmark = pytest.mark.unit

SMALL = ["--hardware", "cpu", "--tp", "1", "--model", "smollm2-135m"]


def test_it_prints_and_writes_both_ways_to_pool(trace, tmp_path, capsys):
    out = tmp_path / "plan.json"
    arguments = ["--trace", str(trace), "--batch-per-s", "0.2", "--batch-tokens", "500,50", "--duration-s", "40"]
    assert main(["plan", *arguments, *SMALL, "--policy", "fcfs,rotation", "--json", str(out)]) == 0
    plan = json.loads(out.read_text())
    assert (plan["routing"], plan["gpus_per_replica"], plan["attainment"]) == ("round-robin", 1, 0.95)
    for pools in plan["policies"].values():
        one, two = pools["one_pool"], pools["two_pools"]
        assert one["gpus"] == one["replicas"] >= 1
        assert two["gpus"] == two["chat"]["gpus"] + two["batch"]["gpus"]
        assert set(one["attained"]) == {"interactive", "batch"}
        assert min(one["attained"].values()) >= 0.95
    shown = capsys.readouterr().out
    assert "chat + batch" in shown
    assert f"{plan['policies']['fcfs']['two_pools']['chat']['replicas']} + " in shown


def test_gpus_are_replicas_times_tensor_parallelism(trace, tmp_path):
    out = tmp_path / "plan.json"
    arguments = ["--trace", str(trace), "--duration-s", "40", "--policy", "fcfs", "--json", str(out)]
    assert main(["plan", *arguments, "--hardware", "a100", "--tp", "4", "--model", "llama-3.1-70b"]) == 0
    plan = json.loads(out.read_text())
    assert plan["gpus_per_replica"] == 4
    assert plan["policies"]["fcfs"]["one_pool"]["gpus"] == 4 * plan["policies"]["fcfs"]["one_pool"]["replicas"]
    assert plan["policies"]["fcfs"]["two_pools"]["batch"]["gpus"] == 0


def test_too_few_replicas_are_no_plan(trace, tmp_path, capsys):
    out = tmp_path / "plan.json"
    arguments = ["--trace", str(trace), "--duration-s", "40", "--tpot-ms", "1", "--policy", "fcfs"]
    assert main(["plan", *arguments, *SMALL, "--max-replicas", "2", "--json", str(out)]) == 0
    pools = json.loads(out.read_text())["policies"]["fcfs"]
    assert pools["one_pool"]["gpus"] is pools["two_pools"]["gpus"] is None
    assert "> 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tp", "0"], "--tp must be 1 or more, not 0"),
        (["--max-replicas", "0"], "--max-replicas must be 1 or more, not 0"),
        (["--attainment", "1.5"], "--attainment must be above 0 and at most 1, not 1.5"),
        (["--policy", "magic"], "policy 'magic' is not known"),
        (["--duration-s", "0"], "the load has no requests"),
        (["--tp", "1"], "leave no room for KV"),
    ],
)
def test_what_cannot_be_used_is_named(trace, capsys, arguments, message):
    assert main(["plan", "--trace", str(trace), *arguments]) == 2
    assert message in capsys.readouterr().err
