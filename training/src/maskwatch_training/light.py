"""Light, colour and lens: what a camera does to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from maskwatch_training.arrays import Floats, Image

Random = np.random.Generator


def vary(image: Image, random: Random) -> Image:
    """Change tone, colour, sharpness, noise and compression at random."""
    image = _tone(image, random)
    if random.random() < 0.3:
        image = _colour(image, random)
    if random.random() < 0.3:
        image = _soften(image, random)
    if random.random() < 0.2:
        image = add_noise(image, float(random.uniform(2, 14)), random)
    if random.random() < 0.2:
        image = _compress(image, int(random.integers(25, 85)))
    return image


def darken_like_door_camera(image: Image, random: Random) -> Image:
    """Make a picture dark, blurred and noisy: gamma 1-2.2, gain .3-.9, blur sigma .8-3 px."""
    curve = (np.arange(256) / 255.0) ** random.uniform(1.0, 2.2) * random.uniform(0.3, 0.9)
    image = np.asarray(cv2.LUT(image, (curve * 255).astype(np.uint8)), np.uint8)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.8, 3.0))), np.uint8)
    return add_noise(image, float(random.uniform(1, 8)), random)


def add_noise(image: Image, deviation: float, random: Random) -> Image:
    """Add Gaussian noise of `deviation` (0..255) to every sample."""
    noise = random.standard_normal(image.shape, np.float32) * deviation
    return (image + noise).clip(0, 255).astype(np.uint8)


def _tone(image: Image, random: Random) -> Image:
    levels = np.arange(256, dtype=np.float32) / 255.0
    gamma = random.uniform(1.0, 2.4) if random.random() < 0.2 else np.exp(random.normal(0, 0.15))
    curve = levels**gamma * np.exp(random.normal(0, 0.2))
    curve = (curve - curve.mean()) * np.exp(random.normal(0, 0.2)) + curve.mean()
    curve += random.normal(0, 0.06)
    return np.asarray(cv2.LUT(image, (curve.clip(0, 1) * 255).astype(np.uint8)), np.uint8)


def _colour(image: Image, random: Random) -> Image:
    if random.random() < 0.25:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    levels = np.arange(256)
    hue = ((levels + int(random.integers(-9, 10))) % 180).astype(np.uint8)
    saturation = (levels * random.uniform(0.5, 1.5)).clip(0, 255).astype(np.uint8)
    table = np.stack([hue, saturation, levels.astype(np.uint8)], axis=-1)[None]
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB), np.uint8)


def _soften(image: Image, random: Random) -> Image:
    kind = random.random()
    if kind < 0.4:
        blurred = cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.5, 2.2)))
    elif kind < 0.65:
        blurred = cv2.filter2D(image, -1, _motion_kernel(random))
    else:
        height, width = image.shape[:2]
        factor = random.uniform(0.3, 0.8)
        small = cv2.resize(image, (int(width * factor), int(height * factor)))
        blurred = cv2.resize(small, (width, height))
    return np.asarray(blurred, np.uint8)


def _motion_kernel(random: Random) -> Floats:
    length = int(random.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = (length - 1) / 2
    start, end = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), (1.0,))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _compress(image: Image, quality: int) -> Image:
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
