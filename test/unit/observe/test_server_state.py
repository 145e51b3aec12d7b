import httpx
import pytest

from superinfer.observe.errors import ObserveError
from superinfer.observe.server_state import PATH, ServerState, read_state
from unit.observe.states import scheduler, state

pytestmark = pytest.mark.unit

URL = "http://server:1"


def read(answer) -> ServerState:
    with httpx.Client(base_url=URL, transport=httpx.MockTransport(answer)) as client:
        return read_state(client)


def test_the_state_is_read():
    asked = []
    found = read(lambda request: asked.append(request.url.path) or httpx.Response(200, json=state()))
    assert asked == [PATH]
    assert found.version == "0.1.0"
    assert list(found.slo_classes) == ["interactive", "standard", "batch"]
    assert found.told[0].running_total == 5
    assert [request.waited_ms for request in found.told[0].waiting] == [1_500, 200]


def test_outcomes_of_several_schedulers_are_added_up():
    other = scheduler(outcomes={"batch": {"none": 1, "met": 3}})
    found = read(lambda _: httpx.Response(200, json=state(scheduler(), None, other)))
    assert len(found.told) == 2
    assert found.outcomes() == {
        "interactive": {"met": 9, "missed": 1},
        "batch": {"none": 5, "aborted": 2, "met": 3},
    }


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (httpx.Response(401), r"http://server:1/superinfer/state answers 401 Unauthorized"),
        (httpx.Response(404), r"answers 404 Not Found"),
        (httpx.Response(302, headers={"location": "/"}), r"answers 302 Found"),
        (httpx.Response(200, text="<html>"), r"http://server:1 answers with what is no state"),
        (httpx.Response(200, json={"version": "1"}), r"no state of a server: .*model"),
        (httpx.Response(200, content=b"\xff"), r"no state of a server"),
    ],
)
def test_other_answers_are_errors_that_name_the_server(reply, message):
    with pytest.raises(ObserveError, match=message):
        read(lambda _: reply)


def refuse(request):
    raise httpx.ConnectError("Connection refused", request=request)


def test_no_answer_is_an_error_that_names_the_server():
    with pytest.raises(ObserveError, match="http://server:1 does not answer: Connection refused"):
        read(refuse)
