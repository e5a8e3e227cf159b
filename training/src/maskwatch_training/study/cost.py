"""What a classifier costs: parameters, bytes, multiply-adds, milliseconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_WARM_UP_CALLS = 3


@dataclass(frozen=True)
class Cost:
    """What one classifier costs.

    `size_mb` is its state in float32, in 10⁶ bytes; `mmacs` are multiply-adds in millions; `ms` is
    the median for one picture on one CPU thread, in PyTorch, of the thread's own time: what else
    the machine does is not counted.
    """

    parameters: int
    size_mb: float
    mmacs: float
    ms: float


def measure(
    network: nn.Module,
    side_px: int,
    *,
    calls: int,
    clock: Callable[[], float] = time.thread_time,
) -> Cost:
    """Measure a network in place (it ends on the CPU, judging), input (1, 3, S, S)."""
    network.to("cpu").eval()
    image = torch.full((1, 3, side_px, side_px), 127.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            with FlopCounterMode(display=False) as counter:
                network(image)
            times: list[float] = []
            for _ in range(_WARM_UP_CALLS + calls):
                begin = clock()
                network(image)
                times.append(clock() - begin)
    finally:
        torch.set_num_threads(threads)
    tensors = network.state_dict().values()
    return Cost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        size_mb=sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e6,
        mmacs=counter.get_total_flops() / 2e6,
        ms=statistics.median(times[_WARM_UP_CALLS:]) * 1000,
    )
