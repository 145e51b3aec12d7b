"""Drives an ASGI app by hand, message by message, without a server."""

from dataclasses import dataclass, field

SSE = "text/event-stream; charset=utf-8"


@dataclass
class Reply:
    """What an app sent."""

    messages: list = field(default_factory=list)

    async def send(self, message):
        self.messages.append(message)

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self):
        assert not self.messages[-1].get("more_body", False), "the response was not finished"
        return b"".join(message.get("body", b"") for message in self.messages[1:])


def scope(path, *, headers=None, method="POST", kind="http"):
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return {"type": kind, "method": method, "path": path, "headers": encoded}


def request(*chunks):
    """The messages of a request whose body comes in ``chunks``."""
    last = len(chunks) - 1
    return [{"type": "http.request", "body": chunk, "more_body": i < last} for i, chunk in enumerate(chunks)]


def receiver(messages):
    """A ``receive`` for ``messages``; after them the client has left."""
    pending = list(messages)

    async def receive():
        return pending.pop(0) if pending else {"type": "http.disconnect"}

    return receive


def response(body, *, status=200, content_type="application/json"):
    """The messages of a response; ``body`` in one piece, or in a list of them."""
    pieces = body if isinstance(body, list) else [body]
    length = [] if isinstance(body, list) else [(b"content-length", str(len(body)).encode())]
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", content_type.encode()), *length],
    }
    bodies = [
        {"type": "http.response.body", "body": piece, "more_body": index < len(pieces) - 1}
        for index, piece in enumerate(pieces)
    ]
    return [start, *bodies]
