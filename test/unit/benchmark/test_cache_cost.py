import json

import pytest
from benchmark.cache_cost import RULES, main

pytestmark = pytest.mark.unit


def test_figures_for_each_rule_and_size(tmp_path, capsys):
    file, plot = tmp_path / "out.json", tmp_path / "out.svg"
    main(["--sizes", "100", "--turns", "60", "--json", str(file), "--plot", str(plot)])
    report = json.loads(file.read_text())
    assert [(result["nodes"], result["rule"]) for result in report["results"]] == [(100, rule) for rule in RULES]
    assert all(result["victims"] > 100 for result in report["results"])
    assert all(result["use_us"] > 0 for result in report["results"])
    for result in report["results"]:
        cost_us = result["use_us"] * result["used"] + result["victim_us"] * result["victims"]
        assert result["request_us"] == pytest.approx(cost_us / 60, rel=0.02)
        assert result["share_percent"] == pytest.approx(result["request_us"] / 500, rel=0.02)
    assert report["command"].startswith("python -m benchmark.cache_cost --sizes 100")
    assert plot.read_text().startswith("<?xml")
    assert capsys.readouterr().out.count(" us per victim") == len(RULES)
