"""An SMTP server for what a real one cannot be made to say."""

import asyncio
from contextlib import suppress
from typing import ClassVar


class ScriptedServer:
    """An SMTP server that says what it is told to, and closes where it is told to.

    `script` maps the first word of a command, "greeting" or "data" (the end of a mail) to the
    answer: a line, or None to close without one; `once` does so for the next such command alone.
    What is in neither is answered kindly.
    """

    _KIND: ClassVar = {"greeting": "220 hi", "EHLO": "250 hi", "DATA": "354 go", "QUIT": "221 bye"}

    def __init__(self) -> None:
        self.script: dict[str, str | None] = {}
        self.once: dict[str, str | None] = {}
        self.mails: list[bytes] = []
        self.commands: list[str] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self._answer(writer, "greeting"):
                while line := await reader.readline():
                    if not await self._command(reader, writer, line.decode().strip()):
                        break
        writer.close()

    async def _command(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str
    ) -> bool:
        self.commands.append(line)
        word = line.partition(" ")[0]
        if not self._answer(writer, word):
            return False
        if word == "DATA" and self.script.get("DATA", "354").startswith("354"):  # type: ignore[union-attr]
            self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            return self._answer(writer, "data")
        return True

    def _answer(self, writer: asyncio.StreamWriter, word: str) -> bool:
        kind = self._KIND.get(word, "250 fine")
        answer = self.once.pop(word) if word in self.once else self.script.get(word, kind)
        if answer is None:
            return False
        if answer:
            writer.write(f"{answer}\r\n".encode())
        return True

    def drop_all(self) -> None:
        """Close every connection without a word."""
        for writer in self.connections:
            writer.transport.abort()
