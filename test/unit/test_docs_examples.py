"""What the documents say is what the code does: tables, examples, and the files they name."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from superinfer.config import CacheConfig, Config, HostConfig, RotationConfig, load_config
from superinfer.slo import PRESETS, SLO, Outcome, SLOClasses, SLOPolicy, Timeline
from superinfer.slo.carriers import PRIORITY_CLASSES, PRIORITY_HEADER, TARGET_HEADERS, TIER_CLASSES
from superinfer.slo.fields import KV_FORMATS, MAX_MS, MAX_TPS, MIN_TPS
from superinfer.slo.model import WIRE_FIELDS
from superinfer.srt.http.middleware import SLOMiddleware
from superinfer.srt.support import LIMITS
from unit.http.asgi import Reply, receiver, request, scope

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "superinfer"
SLO_PAGE = (ROOT / "docs" / "slo.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", SLO_PAGE, re.MULTILINE | re.DOTALL)


def rows(section):
    """The table rows below a heading, as lists of cells without markup."""
    text = re.split(rf"^#+ {re.escape(section)}$", SLO_PAGE, flags=re.MULTILINE)[1]
    lines = re.split(r"^#+ ", text, flags=re.MULTILINE)[0].splitlines()
    return [[cell.strip().replace("`", "") for cell in line.split(" | ")] for line in lines if line.startswith("| `")]


@pytest.fixture
def example(tmp_path):
    (toml,) = blocks("toml")
    path = tmp_path / "example.toml"
    path.write_text(toml)
    return load_config(path)


def test_the_example_file_is_complete_and_its_scheduler_is_the_default(example):
    (toml,) = blocks("toml")
    for name in msgspec.structs.asdict(example):
        assert re.search(rf"^(\[*{name}\b)", toml, re.MULTILINE), name
    written = toml.partition("[rotation]\n")[2].partition("\n\n")[0].splitlines()
    fields = [field for field in RotationConfig.__struct_fields__ if field != "force_every"]  # for tests only
    assert [line.split(" = ")[0] for line in written] == fields
    assert example.rotation == RotationConfig()
    assert example.default_slo_class == Config().default_slo_class


def test_rotation_options():
    schema = msgspec.json.schema(RotationConfig)["$defs"]["RotationConfig"]["properties"]
    expected = [
        [
            name,
            msgspec.json.encode(field["default"]).decode(),
            f"{field['minimum']} or more" if "minimum" in field else "–",
        ]
        for name, field in schema.items()
    ]
    written = [[cell.lstrip("| ").strip("`") for cell in row[:3]] for row in rows("Rotation")]
    assert written == expected


def test_cache_options():
    page = (ROOT / "docs" / "cache.md").read_text()
    table = (
        page.partition("## In the server\n")[2].partition("\n## ")[0].partition("| option |")[2].partition("\n\n")[0]
    )
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(CacheConfig.__struct_fields__)


def test_fields_of_an_slo():
    ranges = {name.lstrip("| "): allowed for name, _, allowed, _ in rows("The SLO object")}
    assert list(ranges) == list(WIRE_FIELDS)
    assert ranges["ttft_ms"] == ranges["tpot_ms"] == ranges["deadline_ms"] == f"1 to {MAX_MS}"
    assert ranges["min_tps"] == f"{MIN_TPS:g} to {MAX_TPS:g}"
    assert ranges["kv"] == ", ".join(KV_FORMATS)


def test_preset_classes():
    def shown(item):
        targets = (item.targets.ttft_ms, item.targets.tpot_ms, item.targets.deadline_ms, item.targets.kv)
        return [item.name, *("–" if target is None else str(target) for target in targets), f"{item.rank} |"]

    assert [[row[0].lstrip("| "), *row[1:]] for row in rows("Classes")] == [shown(item) for item in PRESETS]


def test_carriers():
    carriers = " ".join(row[0] for row in rows("How to send it"))
    for name in (*(name for names in TARGET_HEADERS.values() for name in names), PRIORITY_HEADER):
        assert name in carriers
    for name, cls in (PRIORITY_CLASSES | TIER_CLASSES).items():
        assert re.search(rf"`{name}`[^;.]*?\s(is|are)\s+`{cls}`", SLO_PAGE), name


def test_options_of_the_host_tier():
    page = (ROOT / "docs" / "host.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(HostConfig.__struct_fields__)
    (toml,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert msgspec.toml.decode(toml, type=Config).host.tier_bytes == 8 << 30


def test_what_is_refused_at_start_up():
    table = ARCHITECTURE.partition("## What is refused at start-up")[2].partition("\n## ")[0]
    assert {limit.mode for limit in LIMITS} == set(re.findall(r"`([^`]+)`", table.partition("|---")[2]))


async def refusal(path, body, headers):
    async def never(*_):
        raise AssertionError("a bad SLO reached the app")

    reply = Reply()
    messages = receiver(request(json.dumps(body).encode()))
    await SLOMiddleware(never, SLOPolicy(SLOClasses()))(scope(path, headers=headers), messages, reply.send)
    return reply


@pytest.mark.parametrize("row", rows("Errors"), ids=lambda row: row[0])
async def test_messages_of_refusals(row):
    sent, message = row[0].removeprefix("| "), row[1].removesuffix(" |")
    header, body = ({}, json.loads(sent)) if sent.startswith("{") else ([sent.removeprefix("header ")], {})
    headers = dict(line.split(": ") for line in header)
    reply = await refusal("/v1/chat/completions", body, headers)
    assert (reply.status, json.loads(reply.body)["message"]) == (400, message)


async def test_shapes_of_refusals():
    native, flat, _ = blocks("json")
    reply = await refusal("/generate", {"slo": {"ttft_ms": -1}}, {})
    assert json.loads(reply.body) == json.loads(native)
    body = {"slo": {"ttft_ms": 1}, "custom_params": {"slo": {"ttft_ms": 2}}}
    reply = await refusal("/v1/completions", body, {})
    assert json.loads(reply.body) == json.loads(flat)


def test_the_report():
    *_, report = blocks("json")
    line = Timeline(0)
    for tokens, now_us in ((1, 212_500), (2, 260_500), (3, 300_000), (4, 320_000), (5, 337_500)):
        line.record(tokens, now_us)
    slo = SLOClasses().resolve(SLO(cls="interactive", ttft_ms=400))
    assert Outcome.of(slo, line).to_dict() == json.loads(report)


def test_the_house_lists_every_part():
    house = ARCHITECTURE.partition("## The house")[2].partition("## ")[0]
    parts = {path.name + "/" * path.is_dir() for path in PACKAGE.iterdir() if not path.name.startswith(("_", "py."))}
    assert {part for part in parts if not re.search(rf"^  {re.escape(part)} ", house, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_and_linked_pages_exist(page):
    text = page.read_text()
    files = re.findall(r"`([\w./-]+/[\w-]+\.(?:py|txt|toml))`", text)
    homes = (ROOT, PACKAGE, PACKAGE / "srt")
    assert [name for name in files if not any((home / name).exists() for home in homes)] == []
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")]
    assert [link for link in links if not (page.parent / link).exists()] == []
