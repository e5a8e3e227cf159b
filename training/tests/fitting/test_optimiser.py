import pytest
import torch
from maskwatch_training.fitting import averaging, optimiser
from maskwatch_training.recipes import Optimiser
from torch import nn

_SETTINGS = Optimiser(
    head_rate=0.1,
    backbone_rate=0.01,
    weight_decay=0.5,
    warm_up_steps=100,
    final_share=0.02,
    clip_norm=1.0,
    ema=0.99,
)


class Small(nn.Module):
    """Two layers, one of them frozen in part."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Linear(2, 3), nn.Linear(3, 1)
        self.frozen = nn.Linear(2, 2).requires_grad_(requires_grad=False)


def test_rate_warms_up_by_steps_and_ends_at_its_final_share() -> None:
    assert optimiser.rate_share(0, 0.0, _SETTINGS) == pytest.approx(0.01)
    assert optimiser.rate_share(1000, 0.0, _SETTINGS) == pytest.approx(1.0)
    assert optimiser.rate_share(1000, 0.5, _SETTINGS) == pytest.approx(0.51)
    assert optimiser.rate_share(1000, 1.0, _SETTINGS) == pytest.approx(0.02)


def test_groups_come_in_the_order_that_checkpoints_rely_on() -> None:
    built = optimiser.build(Small(), _SETTINGS, lambda name: name.startswith("backbone."))
    found = [(group["full_rate"], group["weight_decay"]) for group in built.param_groups]
    assert found == [(0.01, 0.5), (0.01, 0.0), (0.1, 0.5), (0.1, 0.0)]
    assert sum(len(group["params"]) for group in built.param_groups) == 4


def test_rate_of_a_group_is_a_share_of_its_own() -> None:
    built = optimiser.build(Small(), _SETTINGS, lambda name: name.startswith("backbone."))
    optimiser.set_rate(built, 0.5)
    assert [group["lr"] for group in built.param_groups] == [0.005, 0.005, 0.05, 0.05]


def test_average_follows_quickly_at_first_and_slowly_in_the_end() -> None:
    assert averaging.keep(1, 0.99) == pytest.approx(2 / 11)
    assert averaging.keep(10_000, 0.99) == 0.99


def test_average_moves_towards_the_weights_and_copies_counts() -> None:
    network = nn.BatchNorm1d(2)
    averaged = averaging.copied(network)
    with torch.no_grad():
        network.weight.fill_(3.0)
        counted = network.num_batches_tracked
        assert counted is not None
        counted.fill_(7)
    averaging.update(averaged, network, 0.75)
    assert averaged["weight"].tolist() == [1.5, 1.5]
    assert int(averaged["num_batches_tracked"]) == 7
