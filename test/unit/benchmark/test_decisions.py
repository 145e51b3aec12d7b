import json

import pytest
from benchmark.crowd import Crowd
from benchmark.decisions import main

from superinfer.sched.job import Phase

pytestmark = pytest.mark.unit


def test_a_crowd_has_requests_of_every_kind_and_keeps_its_size():
    crowd = Crowd(200, seed=1)
    assert {job.phase for job in crowd.jobs} == set(Phase)
    assert {job.state.rank for job in crowd.jobs} == {0, 1, 2}
    before = crowd.now_us
    for _ in range(20):
        crowd.carry_out(crowd.policy.decide(crowd.now_us, crowd.jobs, crowd.pool))
    assert len(crowd.jobs) == 200
    assert crowd.now_us > before
    assert max(job.state.seq for job in crowd.jobs) >= 200


def test_like_seeds_make_like_crowds():
    def story(seed):
        crowd = Crowd(60, seed)
        for _ in range(5):
            crowd.carry_out(crowd.policy.decide(crowd.now_us, crowd.jobs, crowd.pool))
        return crowd.now_us, [(job.state.seq, job.phase, job.computed_tokens) for job in crowd.jobs]

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_figures_with_command_and_machine(tmp_path, capsys):
    file = tmp_path / "out.json"
    main(["--sizes", "20", "--seeds", "2", "--passes", "3", "--json", str(file)])
    report = json.loads(file.read_text())
    (result,) = report["results"]
    assert (result["requests"], result["decisions"]) == (20, 6)
    assert 0 < result["cpu_p50_us"] <= result["cpu_p99_us"]
    assert len(result["cpu_p99_us_by_seed"]) == 2
    assert "--passes 3" in report["command"]
    assert report["machine"]["cores"] >= 1
    assert "20 requests" in capsys.readouterr().out
