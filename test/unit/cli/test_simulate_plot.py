import sys

import pytest

from superinfer.cli import main, simulate_plot
from superinfer.cli.simulate_plot import by_load, distribution, goodput_per_s
from superinfer.sim.sweep import Point

pytestmark = pytest.mark.unit


def point(load, seed, goodput):
    classes = {name: {"goodput_per_s": goodput, "share": 1.0} for name in ("interactive", "batch")}
    return Point("fcfs", load, seed, {"classes": classes}, 4, (1.0,), (0.5,))


def test_goodput_is_that_of_all_classes_and_the_mean_over_seeds():
    points = [point(1.5, 0, 1.0), point(0.5, 0, 2.0), point(0.5, 1, 4.0)]
    assert by_load(points, goodput_per_s) == [(0.5, 6.0), (1.5, 2.0)]


def test_what_never_ended_is_above_every_value():
    assert distribution([3.0, 1.0], of=4) == ([1.0, 3.0], [0.25, 0.5])
    assert distribution([], of=0) == ([], [])


def test_without_matplotlib_it_is_said_before_anything_runs(trace, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["simulate", "--trace", str(trace), "--plot", "out.svg"]) == 2
    shown = capsys.readouterr()
    assert "--plot needs matplotlib: pip install 'superinfer[plot]'" in shown.err
    assert shown.out == ""


def test_a_picture_names_its_policies_and_is_the_same_again(trace, tmp_path):
    pytest.importorskip("matplotlib")
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        arguments = ["--trace", str(trace), "--duration-s", "20", "--policy", "fcfs,edf", "--loads", "0.5,1"]
        assert main(["simulate", *arguments, "--plot", str(picture)]) == 0
    text = pictures[0].read_text()
    assert "edf, interactive" in text
    assert "load factor" in text
    assert text == pictures[1].read_text()


def test_a_load_that_promises_nothing_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "a.png"
    arguments = ["--trace", "synthetic:poisson", "--duration-s", "20", "--policy", "fcfs", "--slo-mix", "batch:1"]
    assert main(["simulate", *arguments, "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert simulate_plot.SUFFIXES == (".svg", ".png")
