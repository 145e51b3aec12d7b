import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cli.arguments import parse_serve
from superinfer.config import Config, ConfigError, KvConfig

pytestmark = pytest.mark.unit

FLAGS = st.text(string.ascii_lowercase + "-", min_size=1, max_size=20).map("--x{}".format)
VALUES = st.text(max_size=20).filter(lambda text: not text.startswith("-")) | st.sampled_from(
    ['{"a": [1, 2]}', "-1", "-0.5", "a b", "", "x=y", "{{ jinja }}"]
)
SGLANG_ARGUMENTS = st.lists(
    st.one_of(
        FLAGS.map(lambda flag: [flag]),
        st.tuples(FLAGS, VALUES).map(list),
        st.tuples(FLAGS, VALUES).map(lambda pair: ["=".join(pair)]),
        st.tuples(FLAGS, VALUES, VALUES).map(list),
    ),
    max_size=5,
).map(lambda groups: [argument for group in groups for argument in group])


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write_file


@pytest.fixture(autouse=True)
def temporary_files(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def split_config(arguments):
    """What SGLang gets: the content of its file, and the other arguments."""
    position = arguments.sglang.index("--config")
    with open(arguments.sglang[position + 1]) as file:
        return yaml.safe_load(file), arguments.sglang[:position] + arguments.sglang[position + 2 :]


def test_nothing_given():
    arguments = parse_serve([])
    assert (arguments.config, arguments.sglang, arguments.names_model) == (Config(), [], False)


def test_the_first_positional_is_the_model():
    arguments = parse_serve(["org/model", "--tp-size", "2"])
    assert arguments.sglang == ["--model-path", "org/model", "--tp-size", "2"]
    assert arguments.names_model


def test_the_value_of_a_flag_only_sglang_knows_is_no_model():
    arguments = parse_serve(["--tp-size", "2"])
    assert arguments.sglang == ["--tp-size", "2"]
    assert not arguments.names_model


@pytest.mark.parametrize("flags", [["--model-path", "m"], ["--model", "m"], ["--model-path=m"], ["--model=m"]])
def test_sglangs_own_ways_to_name_a_model_count(flags):
    assert parse_serve(["--port", "1", *flags]).names_model


@given(SGLANG_ARGUMENTS)
def test_what_is_not_ours_passes_untouched_and_in_order(rest):
    assert parse_serve(["m", *rest]).sglang == ["--model-path", "m", *rest]


def test_our_flags_are_taken_out_of_the_middle(write):
    path = write("slo.toml", "default_slo_class = 'batch'")
    arguments = parse_serve(["m", "--a", "1", "--slo-classes", path, "--b", "--default-slo-class=interactive", "--c"])
    assert arguments.sglang == ["--model-path", "m", "--a", "1", "--b", "--c"]
    assert arguments.config == Config(default_slo_class="interactive")


def test_abbreviations_of_our_flags_are_not_ours():
    assert parse_serve(["--slo", "x", "--conf", "y"]).sglang == ["--slo", "x", "--conf", "y"]


class TestConfigFile:
    def test_is_split_between_us_and_sglang(self, write):
        classes = write("slo.yaml", "classes: {chat: {ttft_ms: 5}}")
        file = write(
            "serve.yaml", f"slo-classes: {classes}\ndefault_slo_class: chat\nmodel: m\ntp_size: 2\nlog-level: x"
        )
        arguments = parse_serve(["--config", file, "--port", "1"])
        assert arguments.config == Config(default_slo_class="chat", classes={"chat": {"ttft_ms": 5}})
        assert split_config(arguments) == ({"tp-size": 2, "log-level": "x"}, ["--model-path", "m", "--port", "1"])
        assert arguments.names_model

    def test_of_ours_alone_leaves_nothing_for_sglang(self, write):
        arguments = parse_serve(["m", "--config", write("serve.yaml", "default-slo-class: batch")])
        assert arguments.sglang == ["--model-path", "m"]
        assert arguments.config.default_slo_class == "batch"

    def test_loses_against_the_command_line_and_keeps_our_keys_from_sglang(self, write):
        ours = write("a.yaml", "classes: {a: {}}")
        theirs = write("b.yaml", "classes: {b: {}}")
        file = write("serve.yaml", f"slo_classes: {theirs}\ndefault_slo_class: batch\nmodel: other\ntp-size: 2")
        arguments = parse_serve(["m", "--slo-classes", ours, "--default-slo-class", "a", "--config", file])
        assert arguments.config == Config(default_slo_class="a", classes={"a": {}})
        assert split_config(arguments) == ({"tp-size": 2}, ["--model-path", "m"])

    def test_comes_before_the_command_line_for_sglang_so_that_the_latter_wins(self, write):
        arguments = parse_serve(["m", "--port", "1", "--config", write("serve.yaml", "port: 2")])
        assert arguments.sglang[2] == "--config"
        assert arguments.sglang[4:] == ["--port", "1"]

    def test_keeps_the_types_of_values(self, write):
        text = "a: true\nb: 0.5\nc: [1, two]\nd: {e: null}\n"
        assert split_config(parse_serve(["--config", write("serve.yaml", text)]))[0] == yaml.safe_load(text)

    @pytest.mark.parametrize("key", ["model-path", "model_path", "model"])
    def test_may_name_the_model(self, write, key):
        assert parse_serve(["--config", write("serve.yaml", f"{key}: m")]).names_model

    def test_that_is_empty_says_nothing(self, write):
        assert parse_serve(["--config", write("serve.yaml", "")]).sglang == []

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("- a", "must be a mapping"),
            ("1: 2", "must be a mapping"),
            ("{", "line 1"),
            (b"a: \xff", "utf-8"),
            ("model: 5", "model must be a string"),
            ("slo-classes: [a]", "slo-classes must be a string"),
            ("default_slo_class:", "default-slo-class must be a string"),
        ],
    )
    def test_that_is_no_use_is_an_error_that_names_it(self, write, text, reason):
        path = write("serve.yaml", text)
        with pytest.raises(ConfigError) as caught:
            parse_serve(["--config", path])
        assert str(caught.value).startswith(f"--config {path}: ")
        assert reason in str(caught.value)


@pytest.mark.parametrize("flag", ["--config", "--slo-classes"])
def test_files_that_do_not_exist_are_errors_that_name_them(tmp_path, flag):
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read"):
        parse_serve([flag, str(tmp_path / "missing.yaml")])


@pytest.mark.parametrize("name", ["gold", ""])
def test_an_unknown_default_class_is_an_error(name):
    with pytest.raises(ConfigError, match="default_slo_class"):
        parse_serve(["--default-slo-class", name])


@pytest.mark.parametrize("flag", ["--config", "--slo-classes", "--default-slo-class"])
def test_a_flag_without_its_value_is_a_usage_error(flag, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_serve(["m", flag])
    assert caught.value.code == 2
    assert flag in capsys.readouterr().err


def test_help_tells_of_our_flags_and_where_sglangs_are(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_serve(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("MODEL", "--slo-classes", "--default-slo-class", "--config", "--help-sglang"))


def test_kv_memory_by_flags_by_file_and_by_default(write):
    assert parse_serve(["--kv-budget", "1g", "--kv-regions", "native:0.5,int4:0.5"]).config.kv == KvConfig(
        budget="1g", regions="native:0.5,int4:0.5"
    )
    toml = write("classes.toml", '[kv]\nbudget = "2g"\n')
    assert parse_serve(["--slo-classes", toml]).config.kv == KvConfig(budget="2g")
    assert parse_serve(["--slo-classes", toml, "--kv-budget", "3g"]).config.kv == KvConfig(budget="3g")
    file = write("server.yaml", "kv_budget: 4g\n")
    arguments = parse_serve(["--config", file])
    assert arguments.config.kv == KvConfig(budget="4g")
    assert "--kv-budget" not in arguments.sglang


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--kv-budget", "much"], "kv.budget"),
        (["--kv-budget", "1g", "--kv-regions", "int4:1"], "kv.regions"),
        (["--kv-budget", "1g", "--kv-regions", "native:0.5"], "kv.regions"),
    ],
)
def test_bad_kv_memory_names_its_field(flags, field):
    with pytest.raises(ConfigError, match=field):
        parse_serve(flags)


def test_when_pages_are_sealed(write):
    assert parse_serve(["--kv-budget", "1g"]).config.kv.seal == "late"
    assert parse_serve(["--kv-seal", "full"]).config.kv == KvConfig(seal="full")
    assert parse_serve(["--config", write("a.yaml", "kv-seal: full\n")]).config.kv == KvConfig(seal="full")
    with pytest.raises(ConfigError, match=r"kv\.seal: 'never' is not one of late, full"):
        parse_serve(["--kv-seal", "never"])
