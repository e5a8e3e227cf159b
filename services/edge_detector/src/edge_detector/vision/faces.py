"""What was found in a frame."""

from dataclasses import dataclass

from maskwatch_proto.alert import Label

from edge_detector.vision.arrays import Flags, Floats


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces of one frame, best first; the arrays cannot be written.

    Attributes:
        xyxy_px: Corners in px of the frame, within it, continuous, shape (N, 4) float32.
        scores: How surely it is a face, in [0, 1], shape (N,).
        probabilities: Of each class in the order of `classes`, shape (N, len(classes)).
        classes: What the columns stand for.
        labels: The likeliest class of each face, or `unsure`, length N.
        is_classified: Whether a classifier has judged the face too, shape (N,).
    """

    xyxy_px: Floats
    scores: Floats
    probabilities: Floats
    classes: tuple[Label, ...]
    labels: tuple[Label, ...]
    is_classified: Flags

    def __post_init__(self) -> None:
        for array in (self.xyxy_px, self.scores, self.probabilities, self.is_classified):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def best_labels(self) -> tuple[Label, ...]:
        """The likeliest class of each face, however unlikely."""
        return tuple(self.classes[index] for index in self.probabilities.argmax(axis=1))
