import json
from textwrap import dedent

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.config import (
    ENV,
    ClampConfig,
    Config,
    ConfigError,
    KvConfig,
    RotationConfig,
    active,
    enable,
    load_config,
)
from superinfer.kv import Format
from superinfer.slo import SLO, Carried, Principal
from unit.strategies import MILLIS, NAMES, slos

pytestmark = pytest.mark.unit

DIGEST = "ab" * 32
EXPECTED = Config(
    default_slo_class="chat",
    classes={"chat": {"ttft_ms": 300, "min_tps": 12.5}, "batch": {"kv": "int8"}},
    clamps=[ClampConfig(classes=["batch"], api_key_sha256=DIGEST, as_tenant="nightly")],
    rotation=RotationConfig(enabled=False, slice_ms=20),
)
TOML = f"""
    default_slo_class = "chat"
    [classes.chat]
    ttft_ms = 300
    min_tps = 12.5
    [classes.batch]
    kv = "int8"
    [[clamps]]
    classes = ["batch"]
    api_key_sha256 = "{DIGEST}"
    as_tenant = "nightly"
    [rotation]
    enabled = false
    slice_ms = 20
"""
YAML = f"""
    default_slo_class: chat
    classes:
      chat: {{ttft_ms: 300, min_tps: 12.5}}
      batch: {{kv: int8}}
    clamps:
      - {{classes: [batch], api_key_sha256: {DIGEST}, as_tenant: nightly}}
    rotation: {{enabled: false, slice_ms: 20}}
"""
JSON = json.dumps(msgspec.to_builtins(EXPECTED))


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return path

    return write_file


@pytest.mark.parametrize(
    ("name", "text"), [("slo.toml", TOML), ("slo.yaml", YAML), ("slo.yml", YAML), ("slo.json", JSON), ("slo", YAML)]
)
def test_reads_three_formats_alike(write, name, text):
    assert load_config(write(name, text)) == EXPECTED


@pytest.mark.parametrize("name", ["slo.toml", "slo.yaml", "slo.json"])
def test_an_empty_file_is_the_default_configuration(write, name):
    assert load_config(write(name, "")) == Config()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("default_class: batch", "default_class"),
        ("rotation: {slice: 5}", "slice"),
        ("rotation: {slice_ms: 0}", "rotation.slice_ms"),
        ("rotation: {max_parked: -1}", "rotation.max_parked"),
        ("rotation: {max_wait_ms: soon}", "rotation.max_wait_ms"),
        ("default_slo_class: gold", "default_slo_class"),
        ("default_slo_class: ''", "default_slo_class"),
        ("classes: {chat: {ttft: 5}}", "classes.chat.ttft"),
        ("classes: {chat: {ttft_ms: 0.5}}", "classes.chat.ttft_ms"),
        ("classes: {chat: {min_tps: .nan}}", "classes.chat.min_tps"),
        ("classes: {chat: {ttft_ms: 2024-01-01}}", "classes.chat.ttft_ms"),
        ("classes: {chat: {ttft_ms: 9, deadline_ms: 5}}", "classes.chat.deadline_ms"),
        ("classes: {chat: {class: batch}}", "classes.chat.class"),
        ("classes: {bad name: {}}", "classes.bad name.class"),
        ("classes: {chat: batch}", "classes"),
        ("clamps: [{classes: []}]", "clamps[0].classes"),
        ("clamps: [{classes: [gold], tenant: t}]", "clamps[0].classes"),
        ("clamps: [{classes: [batch], tennant: t}]", "tennant"),
        ("clamps: [{classes: [batch], api_key_sha256: sk-1}]", "clamps[0].api_key_sha256"),
        ("[1, 2]", "object"),
        ("{", "line 1"),
    ],
)
def test_errors_name_the_file_and_the_field(write, text, named):
    path = write("slo.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert named in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("slo.toml", "a = "), ("slo.toml", b"\xff"), ("slo.yaml", b"a: \xff")])
def test_files_that_cannot_be_decoded_are_errors_that_name_them(write, name, text):
    with pytest.raises(ConfigError, match=name):
        load_config(write(name, text))


@pytest.mark.parametrize("target", ["missing.toml", "."])
def test_files_that_cannot_be_read_are_errors_that_name_them(tmp_path, target):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / target)


def test_the_policy_has_the_classes_and_the_limits():
    policy = EXPECTED.slo_policy()
    promised = policy.promise(SLO(tenant="me"), Carried(), Principal())
    assert promised == SLO(cls="chat", ttft_ms=300, min_tps=12.5, tenant="me")
    clamped = policy.promise(SLO(tenant="me"), Carried(), Principal(DIGEST))
    assert clamped == SLO(cls="batch", kv="int8", tenant="nightly")


CONFIGS = st.builds(
    Config,
    default_slo_class=NAMES,
    classes=st.dictionaries(NAMES, slos().map(SLO.to_dict), max_size=2),
    clamps=st.lists(st.builds(ClampConfig, classes=st.lists(NAMES, min_size=1, max_size=2), tenant=NAMES), max_size=2),
    rotation=st.builds(RotationConfig, enabled=st.booleans(), slice_ms=MILLIS, max_parked=st.integers(0, 9)),
)


@given(CONFIGS)
def test_survives_the_environment(config):
    environ = {}
    enable(config, environ)
    assert active(environ) == config


@pytest.mark.parametrize("environ", [{}, {ENV: ""}])
def test_is_off_without_the_variable(environ):
    assert active(environ) is None


@pytest.mark.parametrize("text", ["1", "{", '{"unknown": 1}', '{"rotation": {"slice_ms": 0}}', "\udcff", "["])
def test_a_broken_variable_is_an_error_that_names_it(text):
    with pytest.raises(ConfigError, match=ENV):
        active({ENV: text})


def test_the_configuration_cannot_be_changed():
    with pytest.raises(AttributeError):
        Config().default_slo_class = "batch"
    with pytest.raises(AttributeError):
        RotationConfig().slice_ms = 1


def test_the_environment_of_this_process_is_the_default(monkeypatch):
    monkeypatch.setenv(ENV, "")
    assert active() is None
    enable(Config(default_slo_class="batch"))
    assert active() == Config(default_slo_class="batch")


def test_sizes_of_the_host_tier(write):
    host = load_config(write("slo.toml", '[host]\nkv_bytes = "2g"\nprefetch_bytes_per_s = "512m"')).host
    assert (host.tier_bytes, host.prefetch_rate, host.link_rate) == (2 << 30, 512 << 20, 0)
    assert Config().host.prefetch_rate is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kv_bytes = "much"', "kv_bytes must be a number of bytes"),
        ("link_bytes_per_s = -1", "link_bytes_per_s must be a number of bytes"),
        ('write = "around"', "Invalid enum value"),
    ],
)
def test_a_bad_host_tier_names_the_field(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write("slo.toml", f"[host]\n{text}"))


def test_kv_regions_follow_the_requests_unless_shares_are_given():
    assert KvConfig().balances
    assert sum(KvConfig().shares().values()) == pytest.approx(1)
    fixed = KvConfig(regions="native:0.5,int4:0.5")
    assert not fixed.balances
    assert fixed.shares() == {Format.NATIVE: 0.5, Format.INT8: 0, Format.INT4: 0.5}
    with pytest.raises(ConfigError, match=r"kv\.regions: 'automatic' is not one of native, int8, int4"):
        KvConfig(regions="automatic").check()
