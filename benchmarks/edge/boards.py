"""Microcontrollers that send a result a second each by MQTT, and what has to follow from them.

Each board shows a person without a mask for three results and nobody for one; three of three have
to agree, so an alert follows from all four: lose one and its id is missing. Boards publish with
QoS 1 and send again what the broker did not acknowledge, as the protocol has it.
"""

import asyncio
import itertools
import json
import random
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field

import aiomqtt
from edge_detector.gateway.compose import event_id_of

from devstack import ports

GATEWAY_GUID = "gw"
# Of the gateway: three results that agree are an alert, one without anybody ends the episode.
CONFIG = "defaults: {votes_agreeing: 3, votes_among: 3, absence_s: 0.5}\n"
INTERVAL_S = 1.0
_PATTERN = ("no_mask", "no_mask", "no_mask", "no_face")


@dataclass
class Boards:
    """Boards on their way.

    Attributes:
        sent: Results of each board that the broker has acknowledged.
        reconnects: How often a board lost the broker.
    """

    context: ssl.SSLContext
    port: int
    number: int
    results: int
    sent: Counter[int] = field(default_factory=Counter)
    reconnects: int = 0

    @property
    def total(self) -> int:
        """Results of all boards."""
        return self.number * self.results

    @property
    def alert_ids(self) -> set[str]:
        """The event ids of the alerts that have to follow: the third result of each person."""
        deciding = range(2, self.results, len(_PATTERN))
        return {
            str(event_id_of(f"{GATEWAY_GUID}/{_name(board)}", result))
            for board, result in itertools.product(range(self.number), deciding)
        }

    async def run(self) -> None:
        """Send everything."""
        await asyncio.gather(*(self._send(board) for board in range(self.number)))

    async def _send(self, board: int) -> None:
        """Send the results of one board, each until the broker has acknowledged it."""
        chance = random.Random(board)  # noqa: S311 - spreads the boards over the second
        began_s = time.monotonic() + chance.random() * INTERVAL_S
        while self.sent[board] < self.results:
            try:
                async with self._client(board) as client:
                    while (result := self.sent[board]) < self.results:
                        due_s = began_s + result * INTERVAL_S
                        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                        topic = f"maskwatch/{_name(board)}/result"
                        await client.publish(topic, _message(result, due_s), qos=1)
                        self.sent[board] += 1
            except aiomqtt.MqttError:
                self.reconnects += 1
                await asyncio.sleep(0.5 + chance.random())

    def _client(self, board: int) -> aiomqtt.Client:
        return aiomqtt.Client(
            ports.LOOPBACK,
            self.port,
            identifier=_name(board),
            tls_context=self.context,
            keepalive=30,
        )


def whole_patterns(seconds: float) -> int:
    """Return how many results a board sends in so many seconds: everybody leaves again."""
    return round(seconds / INTERVAL_S) // len(_PATTERN) * len(_PATTERN)


def _message(result: int, due_s: float) -> bytes:
    taken_at = time.time() - (time.monotonic() - due_s)
    label = _PATTERN[result % len(_PATTERN)]
    told = [{"label": label, "value": 0.93}, {"label": "mask", "value": 0.07}]
    return json.dumps({"id": result, "timestamp": taken_at, "results": told}).encode()


def _name(board: int) -> str:
    return f"board-{board:03}"
