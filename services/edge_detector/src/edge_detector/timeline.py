"""A camera's time, which never runs backwards."""


class Timeline:
    """Seconds that go on when a source begins its own anew, as a film does that is opened again.

    Attributes:
        at_s: The moment now.
    """

    def __init__(self) -> None:
        self.at_s = 0.0
        self._frame_s = 0.0
        self._shift_s = 0.0

    def move_to(self, frame_s: float) -> float:
        """Move to a frame's moment on the source's own line; return the seconds since the last."""
        if frame_s + self._shift_s < self._frame_s:
            self._shift_s = self.at_s - frame_s
        moment_s = frame_s + self._shift_s
        elapsed_s, self._frame_s = max(0.0, moment_s - self._frame_s), moment_s
        self.at_s = max(self.at_s, moment_s)
        return elapsed_s

    def wait(self, idle_s: float) -> None:
        """Move on to so many seconds after the last frame."""
        self.at_s = max(self.at_s, self._frame_s + idle_s)
