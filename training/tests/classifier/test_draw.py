import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.classifier import backgrounds, crops, draw
from maskwatch_training.classifier.crops import Patch
from maskwatch_training.classifier.draw import Drawer, Pool
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.detector.precision import iou
from maskwatch_training.detector.tflite import Model
from maskwatch_training.views import FILL


def _pool(image: Image, label: int) -> Pool:
    box = np.array([80, 60, 140, 140], np.float32)
    kept = crops.patch(image, box, label, margin=0.2, size_px=48)
    return Pool([kept], np.array([1.0], np.float32))


def test_cuts_come_in_the_shares_of_the_recipe_and_seeded(plan: Recipe, smooth: Image) -> None:
    drawer = Drawer([_pool(smooth, label) for label in range(4)], plan)
    first = [drawer.draw(np.random.default_rng(1)) for _ in range(2)]
    assert (first[0][0] == first[1][0]).all()
    random = np.random.default_rng(2)
    drawn = [drawer.draw(random) for _ in range(400)]
    assert {image.shape for image, _ in drawn} == {(48, 48, 3)}
    shares = np.bincount([label for _, label in drawn], minlength=4) / 400
    assert shares == pytest.approx(list(plan.labels.values()), abs=0.08)


def test_jitter_stays_near_the_box() -> None:
    box = np.array([100, 100, 150, 180], np.float32)
    random = np.random.default_rng(4)
    for _ in range(200):
        pose = draw.jitter(box, margin=0.0, turn=0.0, random=random)
        assert 80 * 0.79 < pose.side < 80 * 1.26
        assert np.abs(pose.middle - np.array([125, 140])).max() <= 0.12 * 80 + 1e-3


def test_mirrored_cut_is_the_mirror_image(smooth: Image) -> None:
    middle = np.array([140, 100], np.float32)
    plain = draw.lay(smooth, draw.Pose(middle, 60), 60)
    mirrored = draw.lay(smooth, draw.Pose(middle, 60, is_mirrored=True), 60)
    assert np.abs(plain[:, ::-1].astype(int) - mirrored.astype(int)).mean() < 2


def test_tightened_patch_keeps_the_face_and_loses_its_surroundings(smooth: Image) -> None:
    box = np.array([80, 60, 140, 140], np.float32)
    patch = Patch(smooth, box, 2)
    for seed in range(20):
        tight = draw.tighten(patch, np.random.default_rng(seed))
        high, wide = tight.image.shape[:2]
        assert 0.93 * 80 <= high <= 1.3 * 80 + 2
        assert 0.93 * 60 <= wide <= 1.3 * 60 + 2
        assert tight.label == 2
        middle = ((tight.box_px[:2] + tight.box_px[2:]) / 2).astype(np.float32)
        seen = draw.lay(tight.image, draw.Pose(middle, 160), 48)
        assert (seen[0] == FILL).all()


def test_occlusion_leaves_nose_and_mouth_free() -> None:
    image = np.full((96, 96, 3), 114, np.uint8)
    changed = 0
    for seed in range(30):
        covered = draw.occlude(image, np.random.default_rng(seed))
        assert (covered[40:60, 40:60] == 114).all()
        changed += int((covered != image).any())
    assert changed >= 28


def test_coarse_cut_has_less_detail() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    coarse = draw.coarsen(noise, np.random.default_rng(1))
    assert coarse.shape == noise.shape
    assert np.diff(coarse.astype(int), axis=1).std() < np.diff(noise.astype(int), axis=1).std() / 2


def test_boxes_without_a_face_overlap_none() -> None:
    faces = np.array([[40, 40, 120, 150], [200, 60, 260, 140]], np.float32)
    random = np.random.default_rng(7)
    drawn = [backgrounds.draw((320, 240), faces, random) for _ in range(300)]
    boxes = np.array([box for box in drawn if box is not None])
    assert len(boxes) > 250
    assert iou(boxes, faces).max() < backgrounds.IOU_MAX
    near = (boxes[:, :2] < faces[0, 2:]).all(axis=1) & (boxes[:, 2:] > faces[0, :2]).all(axis=1)
    assert near.sum() > 30  # parts of a face and its neighbourhood are among them


def test_photo_filled_by_a_face_gives_only_parts_of_it() -> None:
    face = np.array([[0, 0, 100, 100]], np.float32)
    drawn = [backgrounds.draw((100, 100), face, np.random.default_rng(s)) for s in range(40)]
    areas = [float((box[2:] - box[:2]).prod()) for box in drawn if box is not None]
    assert areas
    assert max(areas) <= 0.2 * 100 * 100


def test_alarms_are_what_the_detector_finds_and_nobody_marked(detector: Model) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    none = np.zeros((0, 4), np.float32)
    found = backgrounds.alarms(detector, picture, none, (0.001, 0.5))
    assert len(found) > 0
    assert len(backgrounds.alarms(detector, picture, found, (0.001, 0.5))) == 0


def test_sure_alarm_counts_on_a_photo_without_faces_only(detector: Model) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    far = np.array([[0, 0, 9, 9]], np.float32)
    limits = (0.0005, 0.0006)  # nearly everything found is surer than that
    assert len(backgrounds.alarms(detector, picture, far, limits)) < len(
        backgrounds.alarms(detector, picture, far[:0], limits)
    )
