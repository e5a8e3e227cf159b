import pytest
import torch
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.pruning import prune
from maskwatch_training.detector.widths import FULL_WIDTHS

_PICTURE = torch.full((1, 3, 64, 64), 90.0)


def _judge(network: Detector) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = network.eval()(_PICTURE).boxes
    return answer


def test_nothing_changes_where_nothing_is_cut() -> None:
    full = Detector()
    same = Detector(FULL_WIDTHS)
    same.load_state_dict(prune(full.state_dict(), FULL_WIDTHS))
    assert torch.equal(_judge(full), _judge(same))


def test_channels_without_effect_go_first() -> None:
    full = Detector()
    with torch.no_grad():  # every other inner channel of one block has no way into its output
        full.backbone.blocks[4].project.weight[:, ::2] = 0  # type: ignore[union-attr,operator]
    widths = (*FULL_WIDTHS[:4], FULL_WIDTHS[4] // 2, *FULL_WIDTHS[5:])
    pruned = Detector(widths)
    pruned.load_state_dict(prune(full.state_dict(), widths))
    torch.testing.assert_close(_judge(full), _judge(pruned))


def test_block_of_width_0_is_left_out() -> None:
    widths = (*FULL_WIDTHS[:7], 0, *FULL_WIDTHS[8:])
    pruned = Detector(widths)
    pruned.load_state_dict(prune(Detector().state_dict(), widths))
    assert len(pruned.state_dict()) < len(Detector().state_dict())
    assert _judge(pruned).shape == (1, 16**2 + 8**2 + 4**2 + 2**2, 4)


def test_block_without_a_residual_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match=r"widths\[5\]"):
        Detector((*FULL_WIDTHS[:5], 0, *FULL_WIDTHS[6:]))
