import pytest

from superinfer import __version__
from superinfer.cli import SUMMARIES, main, serve

pytestmark = pytest.mark.unit


def exit_of(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return caught.value.code, capsys.readouterr()


def test_version(capsys):
    code, shown = exit_of(["--version"], capsys)
    assert (code, shown.out) == (0, f"superinfer {__version__}\n")


def test_help_lists_every_command(capsys):
    code, shown = exit_of(["--help"], capsys)
    assert code == 0
    assert all(f"  {command} " in shown.out for command in SUMMARIES)


@pytest.mark.parametrize("argv", [[], ["frobnicate"], ["--frobnicate"]])
def test_usage_errors_are_exit_status_2(argv, capsys):
    code, shown = exit_of(argv, capsys)
    assert code == 2
    assert shown.err.startswith("usage: superinfer")


def test_help_after_a_command_is_that_commands(capsys):
    code, shown = exit_of(["serve", "--help"], capsys)
    assert code == 0
    assert "--slo-classes" in shown.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["serve", "--slo-classes", "missing.toml"], "superinfer serve: missing.toml: cannot be read"),
        (["serve", "--default-slo-class", "gold"], "superinfer serve: default_slo_class: 'gold' is not one of"),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_exit_status_2(argv, message, capsys):
    assert main(argv) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(message)
    assert shown.count("\n") == 1


def test_the_command_line_of_the_process_is_the_default(monkeypatch):
    seen = []
    monkeypatch.setattr(serve, "run", lambda argv: seen.append(argv) or 0)
    monkeypatch.setattr("sys.argv", ["superinfer", "serve", "--port", "1"])
    assert main() == 0
    assert seen == [["--port", "1"]]
