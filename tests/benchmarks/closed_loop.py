"""Callers that each send the next request as soon as they have an answer; run as a process of its own: the questions on standard input as JSON.

One process, keep-alive, a hundred lines and no library, because the client runs on the same cores: how busy it was is part of its answer.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

END = b"\r\n\r\n"


def request_of(url: str, body: str | None) -> bytes:
    """A request as it is sent."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
    content = (body or "").encode()
    return (head + (f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else "") + "\r\n").encode() + content


class Caller(asyncio.Protocol):
    """One connection: sends its requests in turn until the time is over and each was sent at least so often."""

    def __init__(self, requests: list[bytes], until: float, at_least: int = 0) -> None:
        self.requests, self.until, self.at_least = requests, until, at_least
        self.times: list[float] = []
        self.sizes: list[int] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held, self.whole = b"", 0

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.began = perf_counter()
        self.transport.write(self.requests[len(self.times) % len(self.requests)])

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self.held = self.held + data if self.held else data
        if not self.whole:
            end = self.held.find(END)
            if end < 0:
                return
            head = self.held[:end].lower()
            if head[9:12] != b"200" or b"content-length:" not in head:
                self._end(ValueError(f"answered {self.held[:400]!r}"))
                return
            self.size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            self.whole = end + len(END) + self.size
        if len(self.held) >= self.whole:
            self._note()

    def _note(self) -> None:
        now = perf_counter()
        self.times.append(now - self.began)
        self.sizes.append(self.size)
        self.held, self.whole = b"", 0
        if now < self.until or len(self.times) < self.at_least:
            self._ask()
        else:
            self._end()

    def _end(self, error: Exception | None = None) -> None:
        self.transport.close()
        if not self.ended.done():
            self.ended.set_result(None) if error is None else self.ended.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Do not wait for an answer that will not come."""
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))


async def called(url: str, callers: list[Caller]) -> None:
    """Let callers call until they are done."""
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_connection(lambda one=one: one, str(parts.hostname), parts.port or 80) for one in callers))  # type: ignore[misc]
    await asyncio.gather(*(one.ended for one in callers))


async def main(asked: dict[str, Any]) -> dict[str, float]:
    """Milliseconds at p50 and p99, answers a second, their mean size, and the share of a core that this process took."""
    calls = [request_of(url, body) for url, body in asked["calls"]]
    url, number = asked["calls"][0][0], asked["clients"]
    if asked["warm"]:
        await called(url, [Caller(calls, perf_counter() + asked["warm"])])
    gc.disable()
    began, busy = perf_counter(), process_time()
    starts = [place * len(calls) // number for place in range(number)]
    callers = [Caller(calls[start:] + calls[:start], began + asked["seconds"], asked.get("at_least", 1)) for start in starts]
    await called(url, callers)
    took, busy = perf_counter() - began, process_time() - busy
    ordered = sorted(time for one in callers for time in one.times)
    sizes = [size for one in callers for size in one.sizes]

    def at(share: float) -> float:
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    return {"p50": at(0.5), "p99": at(0.99), "rate": len(ordered) / took, "calls": len(ordered), "bytes": sum(sizes) / len(sizes), "client": busy / took}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
