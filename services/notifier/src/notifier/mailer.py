"""A pool of persistent SMTP connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from maskwatch_runtime import tls
from maskwatch_runtime.clock import Clock

from notifier.connection import BeforeData, Connection, LostBeforeDataError, Mail
from notifier.retries import Attempt, Result
from notifier.server import MailServer

_IDLE_MAX_S = 120.0  # Postfix and Exchange close after 300 s; a mail must not run into that


class Mailer:
    """A pool of connections to one server, made when needed, the warmest first.

    Args:
        server: That all of them go to.
        clock: Tells which were idle for long.
        connections: That are open at the same time, at most.
    """

    def __init__(self, server: MailServer, clock: Clock, *, connections: int) -> None:
        self._server = server
        self._clock = clock
        self._tls = _tls_context(server)
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(connections)
        self._open = 0

    @property
    def is_connected(self) -> bool:
        """Whether any connection is open."""
        return self._open > 0

    async def verify(self) -> None:
        """Make sure that there is a connection, logged in; costs nothing when there is one.

        Raises:
            Unavailable: The server does not let us in; the reason says what to look at.
        """
        if not self.is_connected:
            async with self._connection():
                pass

    async def send(self, mail: Mail, *, before_data: BeforeData) -> Attempt:
        """Hand the mail to the server and return what it said.

        Args:
            mail: To one recipient.
            before_data: Called for every try; no data is sent unless it returns True.

        Raises:
            Unavailable: The server does not let us in.
            NoMailTaken: It does, and refuses our mails before it has seen any of them.
            Withdrawn: `before_data` returned False.
        """
        try:
            async with self._connection() as connection:
                was_used = connection.used_s is not None
                return await connection.send(mail, before_data=before_data)
        except LostBeforeDataError as error:
            if not was_used:
                return Attempt(Result.REFUSED_FOR_NOW, str(error))
        # The server had closed an idle connection and we had not heard of it yet.
        try:
            async with self._connection(is_new=True) as connection:
                return await connection.send(mail, before_data=before_data)
        except LostBeforeDataError as error:
            return Attempt(Result.REFUSED_FOR_NOW, str(error))

    async def close_idle(self, *, older_than_s: float = _IDLE_MAX_S) -> None:
        """Take leave of the connections that have not been used for so long."""
        now_s = self._clock.monotonic_s()
        old = [one for one in self._idle if now_s - (one.used_s or 0.0) >= older_than_s]
        self._idle = [one for one in self._idle if one not in old]
        for connection in old:
            await connection.quit()
            self._open -= 1

    async def close(self) -> None:
        """Take leave of every connection that is not in use."""
        await self.close_idle(older_than_s=0.0)

    @asynccontextmanager
    async def _connection(self, *, is_new: bool = False) -> "AsyncIterator[Connection]":
        """Lend a connection; it comes back to the pool if it is still good."""
        async with self._slots:
            connection = None if is_new else self._take_idle()
            connection = connection or await self._connect()
            try:
                yield connection
            finally:
                connection.used_s = self._clock.monotonic_s()
                if connection.is_usable:
                    self._idle.append(connection)
                else:
                    connection.abort()
                    self._open -= 1

    def _take_idle(self) -> "Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.abort()
            self._open -= 1
        return None

    async def _connect(self) -> "Connection":
        connection = Connection(self._server, self._tls)
        await connection.open()
        self._open += 1
        return connection


def _tls_context(server: MailServer) -> ssl.SSLContext | None:
    if server.tls == "none":
        return None
    return tls.client_context(server.ca_file, setting=f"{server.prefix}_CA_FILE")
