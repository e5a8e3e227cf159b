"""Episodes and alerts of the scripted clips, at several rates, by the packaged detector."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from edge_detector import pipeline
from edge_detector.events import Composer, Identity, Origin, Speaker
from edge_detector.metrics import Metrics
from edge_detector.people import episodes, policy, tracker
from edge_detector.people.policy import Agreement
from edge_detector.pipeline import Event, Pipeline
from edge_detector.privacy import Plan
from edge_detector.settings import PACKAGED_CLASSIFIER, PACKAGED_MODEL
from edge_detector.vision import classifier, model
from edge_detector.vision.detector import Detector
from maskwatch_proto.alert import Alert, ClockQuality, Device, Label, Model
from maskwatch_proto.device_event import EpisodeEnded
from prometheus_client import CollectorRegistry

from benchmarks import bars
from benchmarks.bars import Bar
from benchmarks.edge import clips
from benchmarks.edge.stage import Clip

RATES_FPS = (2.0, 5.0, 10.0, 15.0)
_EXACT_FROM_FPS = 5.0
_SHARE_BELOW = 0.9


@dataclass(frozen=True)
class Found:
    """What the pipeline told of a clip, beside what had to be told."""

    clip: Clip
    fps: float
    episodes: int
    alerts: int
    put_on: int
    verdicts: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        expected = (self.clip.episodes, self.clip.alerts, self.clip.put_on)
        return (self.episodes, self.alerts, self.put_on) == expected

    @property
    def errors(self) -> int:
        return abs(self.episodes - self.clip.episodes) + abs(self.alerts - self.clip.alerts)

    @property
    def line(self) -> str:
        told = f"{self.episodes}/{self.clip.episodes} {self.alerts}/{self.clip.alerts}"
        mark = "" if self.is_exact else "  <-- differs"
        verdicts = ", ".join(self.verdicts)
        return f"  {self.clip.name:58} {self.fps:4g} fps {told:>10}  {verdicts}{mark}"


def detector() -> Detector:
    """Return the packaged detector as the service uses it."""
    second = None if PACKAGED_CLASSIFIER is None else classifier.load(PACKAGED_CLASSIFIER)
    return Detector(model.load(PACKAGED_MODEL), classifier=second)


def rules() -> pipeline.Rules:
    """Return the defaults of the service, with alerts on a badly worn mask as well."""
    alerts_on = frozenset({Label.NO_MASK, Label.BAD_MASK})
    judging = policy.Rules(3, 5, 24.0, alerts_on, vote_s=0.5, bad_mask=Agreement(4, 6))
    return pipeline.Rules(tracker.Rules(), episodes.Rules(judging))


def play(clip: Clip, looking: Detector, *, fps: float, seed: int) -> Found:
    """Return what a pipeline of its own tells of a clip."""
    watching = watched(looking)
    told: list[Event] = []
    at = None
    for frame in clip.frames(fps=fps, seed=seed):
        told += watching.process(frame)
        at = frame.taken_at
    if at is not None:
        told += watching.close(at + timedelta(seconds=1))
    return _found(clip, told, fps=fps)


def watched(looking: Detector, *, plan: Plan | None = None) -> Pipeline:
    """Return a pipeline of its own around a detector; by default it keeps pictures as they are."""
    identity = Identity(Device(guid="clips"), Model(), "", UUID(int=1))
    composer = Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)
    speaker = Speaker(composer, Origin("clip"))
    kept = replace(rules(), privacy=plan or Plan())
    return Pipeline(looking, speaker, kept, pipeline.Watchers(Metrics(CollectorRegistry())))


def _found(clip: Clip, told: Sequence[Event], *, fps: float) -> Found:
    alerts = [event for event in told if isinstance(event, Alert)]
    happenings = [event.happening for event in told if not isinstance(event, Alert)]
    ended = [one for one in happenings if isinstance(one, EpisodeEnded)]
    put_on = sum(one.mask_put_on_after_s is not None for one in ended)
    verdicts = tuple(one.label.value for one in ended)
    return Found(clip, fps, len(ended), len(alerts), put_on, verdicts)


def measure(chosen: Sequence[Clip], rates_fps: Sequence[float], *, seed: int) -> list[Bar]:
    """Print what was found in each clip at each rate and return the bars."""
    looking = detector()
    print(f"{'':70} episodes, alerts: found/expected")
    table: list[Bar] = []
    for fps in rates_fps:
        found = []
        for clip in chosen:
            found.append(play(clip, looking, fps=fps, seed=seed))
            print(found[-1].line, flush=True)
        table.append(_bar(found, fps))
    return table


def _bar(found: Sequence[Found], fps: float) -> Bar:
    expected = sum(one.clip.episodes + one.clip.alerts for one in found)
    share = 1 - sum(one.errors for one in found) / expected
    if fps >= _EXACT_FROM_FPS:
        share = sum(one.is_exact for one in found) / len(found)
        return bars.at_least(f"clips exact at {fps:g} fps", share, 1.0, unit="share")
    name = f"episodes and alerts right at {fps:g} fps"
    return bars.at_least(name, share, _SHARE_BELOW, unit="share")


def main() -> int:
    """Play what the command line names and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.edge.episodes", description=__doc__)
    parser.add_argument("--fps", type=float, nargs="*", default=list(RATES_FPS))
    parser.add_argument("--only", default="", help="clips whose name holds this")
    parser.add_argument("--short", action="store_true", help="the clips of the test")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chosen = clips.short_clips() if arguments.short else clips.all_clips()
    chosen = tuple(clip for clip in chosen if arguments.only in clip.name)
    table = measure(chosen, arguments.fps, seed=arguments.seed)
    return 0 if bars.report("edge-episodes", table) else 1


if __name__ == "__main__":
    sys.exit(main())
