"""`python -m benchmarks.edge.predict`: memory and throughput of /v1/predict.

Memory: 200 clients at once, each with a photo of 4 megapixels, each coming back as it is told to
until it is answered. Throughput: requests of 640 x 480 px against the bare models, that is JPEG
decode, detector and classifier in as many threads, without a server; the two take turns.
"""

import asyncio
import http.client
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from json import loads
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
from edge_detector.vision.arrays import Picture

from benchmarks import bars, resources
from benchmarks.bars import Bar
from benchmarks.edge import web_service
from devstack import portraits

_PARALLEL = 200
_WORKERS = 2
_ROUND_S = 5.0
_KEPT_S = 2.0  # a connection that idles for longer may be closed
TOKEN = "a-token-for-the-benchmark"  # noqa: S105 - of a server that lives for a minute
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def photo(size_wh: tuple[int, int]) -> bytes:
    """Return a JPEG with two faces and the noise of a sensor."""
    width, height = size_wh
    frame = np.full((height, width, 3), 114, np.uint8)
    for index, person in enumerate((portraits.eileen_collins(), portraits.grace_hopper())):
        side = height // 2
        picture = cv2.resize(person.picture, (side, side), interpolation=cv2.INTER_AREA)
        frame[height - side :, index * side : (index + 1) * side] = picture
    noise = np.random.default_rng(1).normal(0, 5, frame.shape)
    noisy = (frame + noise).clip(0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return encoded.tobytes()


@contextmanager
def serving(*options: str, **variables: str) -> Iterator[tuple[str, int]]:
    """Run the web server as a process; yield its address and process id."""
    settings = {"MASKWATCH_WEB_PORT": "0", "MASKWATCH_WEB_TOKEN": TOKEN, **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.edge.web_service", *options],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if '"listen_web"' in line)
        yield f"http://127.0.0.1:{loads(line)['port']}", process.pid
    finally:
        process.terminate()
        # Reading on: a full pipe would keep the process from ending.
        process.communicate(timeout=60)


async def memory() -> list[Bar]:
    """Return the peak of resident memory under 200 parallel requests of 4 megapixels."""
    body = _encoded(photo((2304, 1728)))
    statuses: Counter[int] = Counter()

    async def ask(client: httpx.AsyncClient) -> None:
        while True:
            answer = await client.post("/v1/predict", content=body.content, headers=body.headers)
            statuses[answer.status_code] += 1
            if answer.status_code != 429:
                return
            await asyncio.sleep(float(answer.headers["retry-after"]))

    with serving(MASKWATCH_PREDICT_WORKERS=str(_WORKERS)) as (url, pid):
        async with _clients(url) as client, resources.watched(pid) as peak:
            begin_s = time.perf_counter()
            await asyncio.gather(*(ask(client) for _ in range(_PARALLEL)))
            spent_s = time.perf_counter() - begin_s
    print(f"200 parallel requests of {len(body.content):,} bytes: {dict(statuses)}")
    return [
        bars.at_most("peak RSS, 200 parallel requests of 4 MP", peak.rss_mb, 400, unit="MB"),
        bars.at_least("of 200 answered in the end", statuses[200], 200, unit="requests"),
        Bar("until the last was answered", spent_s, "s"),
    ]


def _encoded(jpeg: bytes) -> httpx.Request:
    """Return the form with a photo, encoded once: the clients run on the same two cores."""
    form = {"file": ("photo.jpg", jpeg, "image/jpeg")}
    request = httpx.Request("POST", "http://unused", files=form)
    request.read()
    del request.headers["host"]
    return request


@asynccontextmanager
async def _clients(url: str) -> AsyncIterator[httpx.AsyncClient]:
    # A connection each: one that idles while its client waits may be closed under a new request.
    limits = httpx.Limits(max_connections=_PARALLEL, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=url, headers=_HEADERS, timeout=120, limits=limits
    ) as client:
        yield client


def throughput(*, rounds: int) -> list[Bar]:
    """Return pictures a second by HTTP beside the bare models', medians of interleaved rounds."""
    jpeg = photo((640, 480))
    bare = [_bare(jpeg) for _ in range(_WORKERS)]
    with serving(MASKWATCH_PREDICT_WORKERS=str(_WORKERS)) as (url, _):
        asked = [_asked(url, jpeg) for _ in range(2 * _WORKERS)]
        _rate(bare, 1.0), _rate(asked, 1.0)
        rates = [(_rate(asked, _ROUND_S), _rate(bare, _ROUND_S)) for _ in range(rounds)]
    ours, peer = (statistics.median(column) for column in zip(*rates, strict=True))
    return [bars.beside("pictures by HTTP, 640 x 480", ours, peer, unit="pictures/s", floor=0.8)]


def _bare(jpeg: bytes) -> Iterator[None]:
    detector = web_service.shipped()
    data: Picture = np.frombuffer(jpeg, np.uint8)
    while True:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert picture is not None
        detector.detect(np.asarray(picture, np.uint8))
        yield


def _asked(url: str, jpeg: bytes) -> Iterator[None]:
    body = _encoded(jpeg)
    headers = {**dict(body.headers), **_HEADERS}
    # Not httpx: clients and server share two cores, and it takes ten times the processor's time.
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        asked_s = time.perf_counter()
        while True:
            if time.perf_counter() - asked_s > _KEPT_S:
                connection.close()  # opened anew by itself; the server has closed its end by now
            connection.request("POST", "/v1/predict", body.content, headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            asked_s = time.perf_counter()
            yield


def _rate(workers: list[Iterator[None]], seconds: float) -> float:
    done = itertools.count()
    until_s = time.perf_counter() + seconds

    def work(worker: Iterator[None]) -> None:
        while time.perf_counter() < until_s:
            next(worker)
            next(done)

    begin_s = time.perf_counter()
    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return next(done) / (time.perf_counter() - begin_s)


def measure(*, rounds: int = 3) -> list[Bar]:
    """Measure both."""
    return [*asyncio.run(memory()), *throughput(rounds=rounds)]


if __name__ == "__main__":
    sys.exit(0 if bars.report("edge-predict", measure()) else 1)
