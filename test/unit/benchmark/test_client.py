"""The client against a server that streams what a test tells it to."""

import json

import pytest
from aiohttp import web
from benchmark.engine.client import Client, EngineError
from benchmark.engine.workloads import Request, Urgency

pytestmark = pytest.mark.unit

FIELDS = {
    Urgency.PLAIN: {},
    Urgency.CHAT: {"priority": 1},
    Urgency.AGENT: {"slo": {"class": "standard"}},
    Urgency.BATCH: {},
}


class FakeEngine:
    def __init__(self):
        self.bodies = []
        self.status = 200
        self.prompt_tokens = None
        self.error = None
        self.hang_up = False

    async def handle(self, http_request):
        body = await http_request.json()
        self.bodies.append(body)
        if self.hang_up:
            http_request.transport.close()
        if self.status != 200:
            return web.Response(status=self.status, text="no such thing")
        response = web.StreamResponse()
        await response.prepare(http_request)
        if self.error:
            await self.send(response, {"error": self.error})
        for _ in range(body["max_tokens"]):
            await self.send(response, {"choices": [{"text": "x"}]})
        usage = {
            "prompt_tokens": self.prompt_tokens or len(body["prompt"]),
            "completion_tokens": body["max_tokens"],
        }
        await self.send(response, {"choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        return response

    async def send(self, response, chunk):
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
async def client(engine, unused_tcp_port):
    app = web.Application()
    app.router.add_post("/v1/completions", engine.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", FIELDS) as client:
        yield client
    await runner.cleanup()


async def test_it_asks_for_exactly_so_many_tokens_of_exactly_this_prompt(client, engine):
    [answer] = await client.run([Request([5, 6, 7], 4, urgency=Urgency.CHAT)], sequential=True)
    [body] = engine.bodies
    assert body["prompt"] == [5, 6, 7]
    assert (body["max_tokens"], body["ignore_eos"], body["temperature"], body["priority"]) == (4, True, 0, 1)
    assert answer.sent_s < answer.first_token_s <= answer.last_token_s


@pytest.mark.parametrize(
    ("urgency", "slo"), [(Urgency.AGENT, {"class": "standard", "ends": True}), (Urgency.CHAT, None)]
)
async def test_what_a_request_says_itself_is_added_where_promises_are_told(client, engine, urgency, slo):
    await client.run([Request([5], 1, urgency=urgency, slo={"ends": True})], sequential=True)
    assert engine.bodies[0].get("slo") == slo
    assert FIELDS[Urgency.AGENT] == {"slo": {"class": "standard"}}


async def test_answers_are_in_the_order_of_requests_whatever_their_times(client):
    requests = [Request([1], 1, at_s=0.05), Request([2], 1, at_s=0.0)]
    answers = await client.run(requests, sequential=False)
    assert [answer.request.prompt for answer in answers] == [[1], [2]]
    assert answers[0].sent_s - answers[1].sent_s == pytest.approx(0.05, abs=0.04)


async def test_sequential_requests_do_not_overlap(client):
    first, second = await client.run([Request([1], 2), Request([2], 2)], sequential=True)
    assert second.sent_s >= first.last_token_s


@pytest.mark.parametrize("sequential", [True, False])
async def test_a_refusal_is_an_error(client, engine, sequential):
    engine.status = 400
    with pytest.raises(EngineError, match="HTTP 400: no such thing"):
        await client.run([Request([1], 1), Request([2], 1)], sequential=sequential)


async def test_an_error_in_the_stream_is_an_error(client, engine):
    engine.error = {"message": "out of memory"}
    with pytest.raises(EngineError, match="out of memory"):
        await client.run([Request([1], 1)], sequential=True)


async def test_an_engine_that_changes_the_prompt_is_found_out(client, engine):
    engine.prompt_tokens = 2
    with pytest.raises(EngineError, match=r"asked for .* \(1, 1\), the engine reports \(2, 1\)"):
        await client.run([Request([1], 1)], sequential=True)


async def test_an_engine_that_hangs_up_is_an_error(client, engine):
    engine.hang_up = True
    with pytest.raises(EngineError, match="the connection failed"):
        await client.run([Request([1], 1)], sequential=True)


async def test_a_request_waits_for_the_answer_before_it(client, engine):
    first = Request([1], 3, at_s=0.05)
    second = Request([1, 2], 1, at_s=0.05, after=first)
    answers = await client.run([first, second], sequential=False)
    assert [answer.request for answer in answers] == [first, second]
    assert answers[1].sent_s >= answers[0].last_token_s + 0.05
