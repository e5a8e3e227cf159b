"""The edge detector itself, before a picture that does not change, for cases of the device."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import skimage.data
from devstack.service import Service

_HEARTBEAT_S = 5  # what the setting allows at least
_SECONDS, _FPS = 4, 5


def made(folder: Path, outbox: Path, **environment: str) -> Service:
    """Return a detector, not started: a person without a mask stands before its camera for ever.

    Args:
        folder: Takes the clip and the log.
        outbox: The device's file.
        environment: Further variables, by their whole name.
    """
    clip = folder / "standing.avi"
    if not clip.exists():
        _film(clip)
    settings: Mapping[str, str] = {
        "MASKWATCH_DEVICE_GUID": "device-f",
        "MASKWATCH_CAMERA": "door",
        "MASKWATCH_SOURCE": str(clip),
        "MASKWATCH_SOURCE_LOOP": "true",
        "MASKWATCH_SOURCE_FPS": str(_FPS),
        "MASKWATCH_HEARTBEAT_S": str(_HEARTBEAT_S),
        "MASKWATCH_OUTBOX_PATH": str(outbox),
        **environment,
    }
    return Service("edge_detector", folder, settings)


def said(service: Service) -> dict[str, Any]:
    """Return what it answers at /health/ready; nothing while it does not answer."""
    try:
        found: dict[str, Any] = httpx.get(f"{service.admin_url}/health/ready", timeout=5).json()
    except httpx.TransportError:
        return {}
    return found


def _film(path: Path) -> None:
    """Eileen Collins, public domain, with some noise: a frozen picture is a fault of its own."""
    picture = np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    noise = np.random.default_rng(os.getpid())
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), _FPS, (512, 512))
    for number in range(_SECONDS * _FPS):
        frame = np.roll(picture, number % 4, axis=1).astype(np.int16)
        frame += noise.integers(-4, 5, frame.shape, np.int16)
        writer.write(np.clip(frame, 0, 255).astype(np.uint8))
    writer.release()
