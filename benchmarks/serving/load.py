"""How a server bears load: streaming clients beside one, and minutes of everything at once.

    .venv/bin/python -m benchmarks.serving.load runs/shakespeare                 # starts `groundup serve` by itself
    .venv/bin/python -m benchmarks.serving.load smollm2-135m-instruct --minutes 10
    .venv/bin/python -m benchmarks.serving.load --url http://127.0.0.1:8080 --minutes 0   # any server with OpenAI's API, say llama.cpp's

`clients`: as many tokens as 1, 4 and 16 clients get in all, each streaming one text after the other, in rounds that take turns.
`mixed`: 64 clients that ask for texts, leave in the middle, send bodies too large or malformed. Counted are the answers by status, the
server's memory (RSS), and in the end the places and slots that are still taken, which have to be none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

PROMPTS = ("The sea was", "ROMEO:\nWhat light", "Once upon a time", "In the year 1790", "She said that")
WARM_UP_SHARE = 0.2  # of the mixed load, before memory is compared


@dataclass
class Clients:
    """Tokens a second of so many clients in all, of each round."""

    clients: int
    tokens_per_second: list[float] = field(default_factory=list)
    first_token_seconds: list[float] = field(default_factory=list)


@dataclass
class Mixed:
    """What came of the mixed load."""

    seconds: float
    statuses: dict[str, int]
    rss_mb: list[float]
    growth: float
    """Of the median of the last fifth over that of the fifth after warm-up, less 1."""
    places_left: float
    running_left: float
    tokens: float


async def stream_text(client: httpx.AsyncClient, prompt: str, max_tokens: int) -> tuple[int, float]:
    """Tokens of one streamed text, and the seconds to its first."""
    body = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begun, first, tokens = time.perf_counter(), 0.0, 0
    async with client.stream("POST", "/v1/completions", json=body) as answer:
        answer.raise_for_status()
        rest = b""
        async for part in answer.aiter_bytes():  # aiter_lines would end a line at U+2028 in a text, too
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    first = first or time.perf_counter() - begun
                    event = json.loads(line.removeprefix(b"data: "))
                    tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    return tokens, first


async def measure_clients(
    url: str, numbers: tuple[int, ...], rounds: int, seconds: float, max_tokens: int
) -> list[Clients]:
    """Each number of clients in turn, `rounds` times, `seconds` each; a round's texts are all finished."""
    found = {number: Clients(number) for number in numbers}

    async def work(client: httpx.AsyncClient, number: int, end: float, firsts: list[float]) -> int:
        total = 0
        while time.perf_counter() < end:
            tokens, first = await stream_text(client, PROMPTS[number % len(PROMPTS)], max_tokens)
            total += tokens
            firsts.append(first)
        return total

    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        await stream_text(client, PROMPTS[0], 8)
        for round_number in range(rounds):
            for number in numbers if round_number % 2 == 0 else reversed(numbers):
                begun, firsts = time.perf_counter(), list[float]()
                works = (work(client, each, begun + seconds, firsts) for each in range(number))
                total = sum(await asyncio.gather(*works))
                found[number].tokens_per_second.append(round(total / (time.perf_counter() - begun), 2))
                found[number].first_token_seconds.append(round(statistics.median(firsts), 4))
    return list(found.values())


BAD_BODIES = (
    b"",
    b"{",
    b"[" * 50_000,
    b'{"prompt": null}',
    b'{"prompt": "\\ud800"}',
    b'{"prompt": "a", "max_length": 1000000000}',
)


async def one_request(client: httpx.AsyncClient, draw: random.Random, statuses: Counter[str]) -> None:
    """A request of one kind or another; its status is counted, `left` for one that was left in the middle."""
    kind, prompt = draw.random(), draw.choice(PROMPTS)
    headers = {"Content-Type": "application/json"}
    try:
        if kind < 0.35:
            await stream_text(client, prompt, draw.randint(1, 60))
            statuses["200"] += 1
        elif kind < 0.5:
            body = {"prompt": prompt, "max_tokens": 400, "stream": draw.random() < 0.5}
            async with (
                asyncio.timeout(draw.uniform(0.01, 1.0)),
                client.stream("POST", "/v1/completions", json=body) as answer,
            ):
                async for _ in answer.aiter_bytes():
                    pass
                statuses[str(answer.status_code)] += 1
        elif kind < 0.65:
            body = {
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": draw.randint(1, 40),
                "n": draw.randint(1, 3),
            }
            statuses[str((await client.post("/v1/chat/completions", json=body)).status_code)] += 1
        elif kind < 0.8:
            answer = await client.post("/generate", content=draw.choice(BAD_BODIES), headers=headers)
            statuses[str(answer.status_code)] += 1
        elif kind < 0.9:
            size = draw.choice((400_000, 2_000_000))
            answer = await client.post("/generate", content=json.dumps({"prompt": "a" * size}), headers=headers)
            statuses[str(answer.status_code)] += 1
        else:
            path = draw.choice(("/health", "/metrics", "/v1/models", "/nowhere"))
            statuses[str((await client.get(path)).status_code)] += 1
    except httpx.HTTPStatusError as error:
        statuses[str(error.response.status_code)] += 1
        await asyncio.sleep(0.2)  # as Retry-After asks, and less
    except TimeoutError:
        statuses["left"] += 1
    except httpx.TransportError:
        statuses["closed"] += 1


async def mixed_load(url: str, process_id: int, num_clients: int, seconds: float) -> Mixed:
    """Everything at once for so long, then a look at what is left."""
    end, statuses, memory = time.perf_counter() + seconds, Counter[str](), list[float]()

    async def work(client: httpx.AsyncClient, number: int) -> None:
        draw = random.Random(number)
        while time.perf_counter() < end:
            await one_request(client, draw, statuses)

    async def watch() -> None:
        while time.perf_counter() < end:
            memory.append(rss_mb(process_id))
            await asyncio.sleep(min(1.0, seconds / 50))

    limits = httpx.Limits(max_connections=num_clients * 2)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await asyncio.gather(watch(), *(work(client, number) for number in range(num_clients)))
        for _ in range(50):
            figures = read_figures((await client.get("/metrics")).text)
            if figures["groundup_places_taken"] == 0 and figures["groundup_running"] == 0:
                break
            await asyncio.sleep(0.1)
    fifth = max(1, int(len(memory) * WARM_UP_SHARE))
    growth = statistics.median(memory[-fifth:]) / statistics.median(memory[fifth : 2 * fifth] or memory) - 1
    return Mixed(
        seconds,
        dict(sorted(statuses.items())),
        [round(each, 1) for each in memory[:: max(1, len(memory) // 60)]],
        round(growth, 4),
        figures["groundup_places_taken"],
        figures["groundup_running"],
        figures["groundup_new_tokens_total"],
    )


def read_figures(text: str) -> dict[str, float]:
    """The figures of /metrics without labels, by name."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines if "{" not in name}


def rss_mb(process_id: int) -> float:
    """What a process holds in memory, in MB."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024 / 1e6


def start_server(model: str, settings: list[str]) -> tuple[subprocess.Popen[str], str]:
    """`groundup serve` on a free port, and its address."""
    command = [sys.executable, "-m", "groundup", "serve", model, "--port", "0", *settings]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        address = next((word for word in line.split() if word.startswith("http://")), None)
        if address is not None:
            # Each request is a line in its log, which has to be read or the server would wait.
            asyncio.get_running_loop().run_in_executor(None, lambda: [None for _ in process.stderr or ()])
            return process, address
    raise SystemExit(f"the server did not start: {''.join(told)}")


async def run(arguments: argparse.Namespace) -> dict[str, object]:
    """All that was asked for."""
    process: subprocess.Popen[str] | None = None
    url = arguments.url
    if not url:
        process, url = start_server(arguments.model, arguments.setting)
    found: dict[str, object] = {"command": " ".join(["python -m benchmarks.serving.load", *sys.argv[1:]])}
    try:
        numbers = tuple(arguments.clients)
        clients = await measure_clients(url, numbers, arguments.rounds, arguments.seconds, arguments.max_tokens)
        found["clients"] = [asdict(each) for each in clients]
        base = clients[0].tokens_per_second
        for each in clients:
            ratios = [ours / one for ours, one in zip(each.tokens_per_second, base, strict=True)]
            speed, first = statistics.median(each.tokens_per_second), statistics.median(each.first_token_seconds)
            print(
                f"{each.clients:3} clients  {speed:8.1f} tokens/s  {statistics.median(ratios):5.2f} x one  first token {first:.3f} s"
            )
        if arguments.minutes and process is not None:
            mixed = await mixed_load(url, process.pid, 64, arguments.minutes * 60)
            found["mixed"] = asdict(mixed)
            print(
                f"mixed load: {mixed.statuses}, memory {mixed.growth:+.1%}, "
                f"{mixed.places_left:g} places and {mixed.running_left:g} slots left"
            )
    finally:
        if process is not None:
            process.terminate()
            found["exit_status"] = process.wait(60)
    return found


def main() -> None:
    """Measure, print, and write the result if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="runs/shakespeare")
    parser.add_argument(
        "--setting", action="append", default=[], help="a setting of the server, e.g. serving.num_slots=16"
    )
    parser.add_argument("--url", default="", help="measure the server there instead of starting one")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each number of clients, a round")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=1.0, help="of mixed load; 0 for none")
    parser.add_argument("--output", type=Path, help="a JSON file for the result")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments))
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
