"""A second look at each face: a model that judges the mask on a cut from the frame."""

from pathlib import Path
from typing import Unpack

import cv2
import numpy as np
from maskwatch_runtime.errors import Misconfigured

from edge_detector.vision import crops, delegate, inference
from edge_detector.vision import manifest as manifests
from edge_detector.vision.arrays import Floats, Picture
from edge_detector.vision.delegate import Files, How
from edge_detector.vision.inference import Interpreter, Port
from edge_detector.vision.manifest import ClassifierManifest
from edge_detector.vision.quantisation import PixelCode

# A quantised input may miss black and white by so much of its range: calibration rounds.
_RANGE_SLACK = 0.05
# Of probabilities: an int8 output rounds each of them to 1/256.
_SUM_SLACK = 0.05


class Classifier:
    """An interpreter whose tensors are what the manifest says; for one thread at a time.

    Attributes:
        manifest: What the model says about itself.
        runtime: Name and version of what runs it, such as "litert 2.3.0".

    Raises:
        Misconfigured: A tensor is not what the manifest says; names file and field.
    """

    def __init__(
        self, interpreter: Interpreter, manifest: ClassifierManifest, *, file: Path, runtime: str
    ) -> None:
        self.manifest = manifest
        self.runtime = runtime
        self._file = file
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        taken = manifest.input
        shape = (1, taken.size_px, taken.size_px, taken.channels)
        self._input = inference.only_input(interpreter, file, shape=shape, dtype=taken.dtype)
        self._check_range(self._input)
        self._output = self._only_output()
        self._code = PixelCode(self._input.dtype, self._input.quantisation, reals=taken.range)
        self._tensor = np.empty(shape, self._input.dtype)
        self._check_answer()

    def judge(self, frame_bgr: Picture, xyxy_px: Floats) -> Floats:
        """Return the probabilities of the manifest's labels for each face, (N, labels).

        Args:
            frame_bgr: Shape (H, W, 3).
            xyxy_px: The faces in it, each at least partly within it, shape (N, 4).
        """
        answers = np.zeros((len(xyxy_px), len(self.manifest.labels)), np.float32)
        for row, box in enumerate(xyxy_px):
            answers[row] = self._judge_cut(self._cut(frame_bgr, box))
        return answers

    def _cut(self, frame_bgr: Picture, box: Floats) -> Picture:
        where = crops.square(box, margin=self.manifest.margin)
        return crops.cut(frame_bgr, where, size_px=self.manifest.input.size_px)

    def _judge_cut(self, cut_bgr: Picture) -> Floats:
        real = self._invoke(cut_bgr).clip(0)
        return np.asarray(real / max(float(real.sum()), 1e-6), np.float32)

    def _invoke(self, cut_bgr: Picture) -> Floats:
        is_grey = self.manifest.input.colour == "GREY"
        way = cv2.COLOR_BGR2GRAY if is_grey else cv2.COLOR_BGR2RGB
        pixels = np.asarray(cv2.cvtColor(cut_bgr, way), np.uint8)
        self._code.write(pixels[..., None] if is_grey else pixels, self._tensor[0])
        self._interpreter.set_tensor(self._input.index, self._tensor)
        self._interpreter.invoke()
        values = self._interpreter.get_tensor(self._output.index)[0]
        return self._output.quantisation.dequantise(values)

    def _check_range(self, port: Port) -> None:
        if port.quantisation.is_identity:
            if port.dtype != np.dtype(np.float32):
                raise Misconfigured(
                    f"the model {self._file} does not say what the integers of its input mean:"
                    " it was exported without quantisation parameters"
                )
            return
        limits = np.iinfo(port.dtype)
        ends = np.array([limits.min, limits.max], np.float64) - port.quantisation.zero_point
        least, most = (float(end) for end in ends * port.quantisation.scale)
        low, high = self.manifest.input.range
        slack = (high - low) * _RANGE_SLACK
        if least > low + slack or most < high - slack:
            raise Misconfigured(
                f"the model {self._file} takes values in [{least:.4g}, {most:.4g}],"
                f" its manifest (input.range) says [{low:g}, {high:g}]"
            )

    def _only_output(self) -> Port:
        ports = inference.outputs(self._interpreter)
        wanted = (1, len(self.manifest.labels))
        if [port.shape for port in ports] != [wanted]:
            raise Misconfigured(
                f"the model {self._file} has outputs of shape {[port.shape for port in ports]},"
                f" its manifest (labels) asks for {wanted}"
            )
        return ports[0]

    def _check_answer(self) -> None:
        """Judge a grey picture: an output that is no probabilities is found at the start."""
        size_px = self.manifest.input.size_px
        real = self._invoke(np.full((size_px, size_px, 3), 114, np.uint8))
        is_unit = bool((real >= -_SUM_SLACK).all()) and abs(float(real.sum()) - 1) <= _SUM_SLACK
        if not is_unit:
            raise Misconfigured(
                f"the model {self._file} answers {[round(float(value), 3) for value in real]}:"
                " its output (labels) has to be probabilities that sum to 1"
            )


def load(path: Path, **how: Unpack[How]) -> Classifier:
    """Build the classifier whose manifest is at `path`, everything checked; see `delegate.load`.

    Raises:
        Misconfigured: A file is missing or wrong, or no runtime can be had; says which.
    """
    manifest = manifests.read_classifier(path)
    file = manifests.model_file(path, manifest)
    files = Files(file, manifests.edgetpu_file(path, manifest))
    interpreter, name = delegate.load(files, **how)
    return Classifier(interpreter, manifest, file=file, runtime=name)
