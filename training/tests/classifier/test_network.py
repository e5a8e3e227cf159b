import numpy as np
import pytest
import torch
from maskwatch_training import calibration
from maskwatch_training.classifier import export, network
from maskwatch_training.classifier.export import Adjustment, ChannelsLast, Deployed
from maskwatch_training.classifier.network import Classifier
from maskwatch_training.classifier.recipe import Recipe


@pytest.fixture(params=["classifier", "microcontroller"])
def either(request: pytest.FixtureRequest, plan: Recipe, small_plan: Recipe) -> Recipe:
    return plan if request.param == "classifier" else small_plan


def _with_a_past(recipe: Recipe) -> Classifier:
    torch.manual_seed(0)
    built = network.build(recipe).train()
    with torch.no_grad():
        for _ in range(3):
            built(torch.rand(4, recipe.input.channels, 48, 48) * 255)
    return built.eval()


def test_one_logit_for_each_label(either: Recipe) -> None:
    built = network.build(either).eval()
    assert built(torch.zeros(2, 3, 48, 48)).shape == (2, len(either.labels))


def test_grey_network_takes_one_channel(small_plan: Recipe) -> None:
    grey = small_plan.model_copy(
        update={"input": small_plan.input.model_copy(update={"colour": "GREY"})}
    )
    assert network.build(grey).eval()(torch.zeros(1, 1, 48, 48)).shape == (1, 3)


def test_frozen_blocks_get_no_gradient_and_the_others_do(plan: Recipe) -> None:
    built = network.build(plan)
    built(torch.rand(2, 3, 48, 48) * 255).sum().backward()
    frozen = {name.split(".")[1] for name, p in built.named_parameters() if p.grad is None}
    assert frozen == {"0", "1", "2", "3"}  # the stem and three blocks


def test_deployed_network_says_what_the_trained_one_says_at_its_temperature(
    either: Recipe,
) -> None:
    trained = _with_a_past(either)
    cuts = [np.random.default_rng(s).integers(0, 256, (48, 48, 3)).astype(np.uint8) for s in (1, 2)]
    logits = export.judge(trained, cuts)
    if "bad_mask" in either.names:
        logits[:, either.names.index("bad_mask")] -= 0.7
    deployed = Deployed(trained, Adjustment(1.8, -0.7), either.names).eval()
    assert export.judge(deployed, cuts) == pytest.approx(calibration.softmax(logits, 1.8), abs=1e-4)
    last = ChannelsLast(deployed).eval()
    with torch.no_grad():
        said = last(torch.from_numpy(cuts[0])[None].float())
    assert said[0].numpy() == pytest.approx(export.judge(deployed, cuts)[0], abs=1e-4)


def test_deploying_leaves_the_trained_network_as_it_was(either: Recipe) -> None:
    trained = _with_a_past(either)
    picture = torch.rand(1, 3, 48, 48) * 255
    with torch.no_grad():
        before = trained(picture)
        ChannelsLast(Deployed(trained, Adjustment(2.0, 1.0), either.names))
        assert torch.equal(before, trained(picture))
