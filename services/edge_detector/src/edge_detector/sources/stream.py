"""Network cameras: RTSP over TCP, and HTTP (MJPEG, HLS), through PyAV."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from av.error import FFmpegError
from maskwatch_runtime.clock import Clock

from edge_detector.sources.base import Frame, Sampler, SourceAway, Stop

# A picture above this is no camera's; the decoder refuses it before it takes the memory.
_PIXELS_MAX = 8192 * 8192
_BROKEN_IN_A_ROW_MAX = 100


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server may be silent, in seconds, while it is opened and between packets."""

    open_s: float = 10.0
    read_s: float = 10.0


class StreamSource:
    """Frames of a stream, at most `fps` a second.

    Every packet is decoded where later ones build on it; only frames that are due are converted.
    Of a stream of separate pictures (MJPEG) what is not due is not decoded either.

    Args:
        address: rtsp, rtsps, http or https; user and password may stand in it and are never told.
        fps: Frames kept a second.
        clock: Stamps the frames.
        timeouts: After which the server counts as away.
    """

    def __init__(
        self, address: str, *, fps: float, clock: Clock, timeouts: Timeouts | None = None
    ) -> None:
        self._address = address
        self._fps = fps
        self._clock = clock
        self._timeouts = timeouts or Timeouts()

    def frames(self, stop: Stop) -> Iterator[Frame]:
        sampler = Sampler(self._fps)
        with self._opened() as container:
            is_each_alone = container.streams.video[0].codec_context.codec.intra_only
            decoder = _Decoder()
            for packet in self._packets(container, stop):
                at_s = self._clock.monotonic_s()
                if is_each_alone and not sampler.is_due(at_s):
                    continue
                for decoded in decoder.frames(packet):
                    if is_each_alone or sampler.is_due(at_s):
                        picture = decoded.to_ndarray(format="bgr24")
                        yield Frame(np.asarray(picture, np.uint8), self._clock.now(), at_s)

    def _opened(self) -> Any:
        try:
            container = av.open(
                self._address,
                options=_options(self._address, self._timeouts),
                timeout=(self._timeouts.open_s, self._timeouts.read_s),
                metadata_errors="replace",
            )
        except (FFmpegError, OSError, ValueError) as error:
            # `from None`, and never str(error): both hold the address, and with it a password.
            raise SourceAway(f"the stream cannot be opened: {_said(error)}") from None
        if not container.streams.video:
            container.close()
            raise SourceAway("the stream carries no video")
        # Frame threads would hold back as many frames as there are threads.
        container.streams.video[0].thread_type = "SLICE"
        return container

    @staticmethod
    def _packets(container: Any, stop: Stop) -> Iterator[Any]:
        packets = container.demux(container.streams.video[0])
        while not stop.is_set():
            try:
                packet = next(packets, None)
            except (FFmpegError, OSError) as error:
                raise SourceAway(f"the stream broke off: {_said(error)}") from None
            # The empty packet that empties the decoder at the end; not every live one has a time.
            if packet is None or not packet.size:
                raise SourceAway("the stream has ended")
            yield packet


class _Decoder:
    """Decodes packets; single broken ones are left out."""

    def __init__(self) -> None:
        self._broken = 0

    def frames(self, packet: Any) -> list[Any]:
        """Return what the packet completes.

        Raises:
            SourceAway: So many in a row could not be decoded that it is garbage.
        """
        try:
            frames: list[Any] = packet.decode()
        except (FFmpegError, ValueError):
            # After a loss, until the next key frame; without an end it is garbage.
            self._broken += 1
            if self._broken >= _BROKEN_IN_A_ROW_MAX:
                raise SourceAway("the stream cannot be decoded") from None
            return []
        self._broken = 0 if frames else self._broken
        return frames


def _options(address: str, timeouts: Timeouts) -> dict[str, str]:
    scheme = urlsplit(address).scheme
    read_us = str(round(timeouts.read_s * 1e6))
    # PyAV's own time-out counts from the begin of a call; the socket's notices a silent peer in it.
    options = {
        "max_pixels": str(_PIXELS_MAX),
        "timeout": read_us,
        # Microseconds to find out what the stream is; 5 s by default, nearly all of a reconnect.
        "analyzeduration": "2000000",
    }
    if scheme in ("rtsp", "rtsps"):
        # UDP loses packets in every busy network, and with them pictures.
        return {**options, "rtsp_transport": "tcp", "allowed_media_types": "video"}
    # Nothing but the network: a playlist may not name a file of this machine.
    return {
        **options,
        "protocol_whitelist": "http,https,tcp,tls,crypto",
        "multiple_requests": "0",
    }


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) and text else type(error).__name__
