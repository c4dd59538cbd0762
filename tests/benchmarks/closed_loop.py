"""Callers that each send the next request as soon as they have an answer; run as a process of its own: REQUEST on standard input as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit


def request_of(url: str, body: str | None) -> bytes:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
    content = (body or "").encode()
    return (head + (f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else "") + "\r\n").encode() + content


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, int]:
    """Status and size of an answer."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    size = int(head.split("content-length:")[1].split("\r\n")[0])
    await reader.readexactly(size)
    return int(head.split(" ", 2)[1]), size


async def caller(url: str, requests: list[bytes], until: float, times: list[float], sizes: list[int], at_least: int = 0) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    place = 0
    while perf_counter() < until or place < at_least:
        began = perf_counter()
        status, size = await one(reader, writer, requests[place % len(requests)])
        times.append(perf_counter() - began)
        sizes.append(size)
        place += 1
        if status != 200:
            raise SystemExit(f"{url} answered {status}")
    writer.close()


async def main(asked: dict[str, Any]) -> dict[str, float]:
    """Milliseconds at p50 and p99, answers a second, and the mean size."""
    calls = [request_of(url, body) for url, body in asked["calls"]]
    times: list[float] = []
    sizes: list[int] = []
    first = asked["calls"][0][0]
    await caller(first, calls, perf_counter() + asked["warm"], [], [], at_least=len(calls))
    began = perf_counter()
    tasks = (caller(first, calls[place:] + calls[:place], began + asked["seconds"], times, sizes) for place in range(asked["clients"]))
    await asyncio.gather(*tasks)
    took = perf_counter() - began
    ordered = sorted(times)

    def at(share: float) -> float:
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    return {"p50": at(0.5), "p99": at(0.99), "rate": len(times) / took, "calls": len(times), "bytes": sum(sizes) / len(sizes)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
