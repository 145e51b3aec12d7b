import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from superinfer.observe.events import AnyEvent, Arrived, EventBatch, PassSummary, Rotated
from unit.observe.histories import HISTORIES, STORY

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "observability.md"


def sent(events):
    return msgspec.msgpack.encode(EventBatch(7, 8, list(events), dropped=9))


@given(HISTORIES)
def test_batches_survive_the_wire(events):
    assert msgspec.msgpack.decode(sent(events), type=EventBatch) == EventBatch(7, 8, events, dropped=9)


def test_the_story_has_every_kind():
    assert {type(event) for event in STORY} == set(AnyEvent.__args__)


def test_readers_need_no_schema():
    event = Arrived(1, "r", "batch", None, 300, 2)
    assert msgspec.msgpack.decode(sent([event]))["events"] == [
        {"type": "arrived", "at_us": 1, "rid": "r", "cls": "batch", "tenant": None, "prompt_tokens": 300, "tier": 2}
    ]


def test_types_on_the_wire():
    kinds = [event["type"] for event in msgspec.msgpack.decode(sent(STORY))["events"]]
    assert set(kinds) == {
        *("arrived", "admitted", "rotated", "resumed", "promoted", "demoted"),
        *("relegated", "finished", "aborted", "rejected", "step", "pass"),
    }


def test_fields_of_a_later_version_are_skipped():
    batch = {"seq": 0, "at_us": 1, "events": [{"type": "aborted", "at_us": 1, "rid": "r", "why": "?"}], "host": "x"}
    assert len(msgspec.msgpack.decode(msgspec.msgpack.encode(batch), type=EventBatch).events) == 1


def test_reasons_are_checked_by_the_reader():
    with pytest.raises(msgspec.ValidationError, match="reason"):
        msgspec.msgpack.decode(sent([Rotated(1, "r", "whim", 0, 1, 1)]), type=EventBatch)


@pytest.mark.parametrize("event", [Arrived(1, "r", "batch", None, 1, 0), PassSummary(1, 1, 1, 1, (1,), 1, 1, 1)])
def test_events_cannot_be_changed(event):
    with pytest.raises(AttributeError):
        event.at_us = 2


def test_the_page_lists_every_event_with_its_fields():
    cells = (line.split(" | ") for line in PAGE.read_text().partition("## Events")[2].splitlines() if " | " in line)
    listed = {
        kind: re.findall(r"`(\w+)`", fields) for kinds, fields, *_ in cells for kind in re.findall(r"`(\w+)`", kinds)
    }
    kinds = {kind.__struct_config__.tag: list(kind.__struct_fields__) for kind in AnyEvent.__args__}
    assert {kind: ["at_us", *fields] for kind, fields in listed.items()} == kinds
