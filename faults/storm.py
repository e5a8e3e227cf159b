"""One random fault after the other on a path that works, each healed before the next."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from devstack.inbox import Faults
from devstack.processes import Process
from devstack.service import Service

from faults.path import AlertPath
from faults.proxy import Proxy

_Fault = Callable[[], Awaitable[None]]
_NETWORK: dict[str, Callable[[Proxy], object]] = {
    "slow": lambda proxy: proxy.delay(0.3),
    "stalled": Proxy.stall,
    "refused": Proxy.reset,
    "reset": Proxy.reset_once,
    "black hole": Proxy.blackhole,
    "half open": Proxy.half_open,
}


class Server(Protocol):
    """Kafka, PostgreSQL or the inbox."""

    @property
    def process(self) -> Process: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...


@dataclass(frozen=True)
class Scene:
    """What can be broken.

    Attributes:
        path: Its servers and its inbox.
        steady: Services that are paused and cut off, but killed only while `is_early`.
        victims: Services that are killed and stopped at any time.
        proxies: Between services and servers, by a name for the report.
    """

    path: AlertPath
    steady: Sequence[Service]
    victims: Sequence[Service]
    proxies: Mapping[str, Proxy]


class Storm:
    """Breaks something every so often.

    Args:
        scene: What can be broken.
        chances: Seeded; every choice comes from it.
        every_s: From one fault's beginning to the next's.
    """

    def __init__(self, scene: Scene, chances: random.Random, *, every_s: float) -> None:
        self._scene = scene
        self._chances = chances
        self._every_s = every_s
        self.counts: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Break and heal for so many seconds; nothing is broken on return."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while (passed_s := loop.time() - began_s) < seconds:
            next_s = loop.time() + self._every_s
            name, fault = self._chosen(is_early=passed_s < seconds / 3)
            self.counts[name] += 1
            print(f"{passed_s:7.1f} s  {name}", flush=True)
            await fault()
            await asyncio.sleep(max(0.0, next_s - loop.time()))

    def _chosen(self, *, is_early: bool) -> tuple[str, _Fault]:
        kind = self._chances.choice((self._process, self._server, self._network, self._network))
        return kind(is_early=is_early)

    def _for_a_while(self, longest_s: float) -> Awaitable[None]:
        return asyncio.sleep(self._chances.uniform(0.2, longest_s))

    # --- processes ---

    def _process(self, *, is_early: bool) -> tuple[str, _Fault]:
        killable = [*self._scene.victims, *(self._scene.steady if is_early else ())]
        how = self._chances.choice(("SIGKILL", "SIGTERM", "SIGSTOP"))
        if how == "SIGSTOP":
            paused = self._chances.choice([*self._scene.steady, *self._scene.victims])
            return f"SIGSTOP {paused.label}", lambda: self._pause(paused)
        ended = self._chances.choice(killable)
        return f"{how} {ended.label}", lambda: self._end(ended, how)

    async def _pause(self, service: Service) -> None:
        service.process.pause()
        await self._for_a_while(8)
        service.process.resume()

    async def _end(self, service: Service, how: str) -> None:
        if how == "SIGKILL":
            await asyncio.to_thread(service.kill)
        elif status := await asyncio.to_thread(service.stop):
            raise RuntimeError(f"{service.label} ended with {status} on SIGTERM")
        await self._for_a_while(3)
        service.begin()

    # --- servers ---

    def _server(self, *, is_early: bool) -> tuple[str, _Fault]:
        del is_early
        servers = self._scene.path.servers
        server = self._chances.choice((servers.kafka, servers.postgres, servers.inbox))
        name = type(server).__name__
        if self._chances.random() < 0.5:
            return f"{name} restarted", lambda: self._restart(server)
        return f"{name} paused", lambda: self._freeze(server)

    async def _restart(self, server: Server) -> None:
        await asyncio.to_thread(server.kill)
        await self._for_a_while(5)
        await asyncio.to_thread(server.start)

    async def _freeze(self, server: Server) -> None:
        server.process.pause()
        await self._for_a_while(8)
        server.process.resume()

    # --- network ---

    def _network(self, *, is_early: bool) -> tuple[str, _Fault]:
        del is_early
        if self._chances.random() < 0.2:
            return "SMTP answers 451", self._busy
        name = self._chances.choice(sorted(self._scene.proxies))
        proxy = self._scene.proxies[name]
        how = self._chances.choice(sorted(_NETWORK))
        return f"{name} {how}", lambda: self._disturb(proxy, _NETWORK[how])

    async def _disturb(self, proxy: Proxy, disturb: Callable[[Proxy], object]) -> None:
        disturb(proxy)
        await self._for_a_while(8)
        if proxy.mode.is_dropping:  # a real network would have sent again what it dropped
            proxy.reset_once()
        proxy.heal()

    async def _busy(self) -> None:
        count = self._chances.randint(1, 50)
        await self._scene.path.mail_faults(Faults(data_reply="451 later", mails=count))
        await self._for_a_while(8)
        await self._scene.path.mail_faults(Faults())
