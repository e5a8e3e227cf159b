"""From a camera's plan to the rules of its pipeline and of its watchdog."""

from maskwatch_proto.alert import Label

from edge_detector import pipeline, privacy
from edge_detector.cameras import CameraPlan, SourceKind
from edge_detector.people import episodes, policy, tracker, zones
from edge_detector.stations import watchdog

# A camera of one frame a minute is not silent after five seconds.
_PERIODS_OF_SILENCE = 3.0
# Models know a badly worn mask least: more has to agree than on a missing one.
_BADLY_WORN = policy.Agreement(4, 6)
_NOTHING_WATCHED = watchdog.Rules(None, None, None, down_after_s=10.0, up_after_s=0.0)


def of(plan: CameraPlan, *, evidence_bytes_max: int) -> pipeline.Rules:
    """Return how the people before a camera are followed, judged and shown."""
    labels = {Label.NO_MASK, Label.BAD_MASK} if plan.alert_bad_mask else {Label.NO_MASK}
    judging = policy.Rules(
        agreeing=plan.votes_agreeing,
        among=plan.votes_among,
        side_px_min=plan.face_side_min_px,
        alerts_on=frozenset(labels),
        vote_s=0.5,
        bad_mask=_BADLY_WORN,
    )
    return pipeline.Rules(
        people=tracker.Rules(keep_s=plan.track_keep_s),
        stays=episodes.Rules(judging, absence_s=plan.absence_s),
        zones=zones.Zones(plan.zones.include, plan.zones.exclude),
        privacy=privacy.Plan(privacy.Mode(plan.privacy), plan.blur_violators),
        evidence_bytes_max=evidence_bytes_max,
    )


def watching(plan: CameraPlan) -> watchdog.Rules:
    """Return when a camera cannot be believed; files and browsers are never doubted.

    Nobody needs to send to a camera that is posted to, unless its plan says how often.
    """
    if plan.kind in (SourceKind.FILES, SourceKind.BROWSER):
        return _NOTHING_WATCHED
    watch = plan.watch
    is_told = plan.kind is not SourceKind.POSTED or "watch" in plan.model_fields_set
    stalled_s = watch.stalled_s if is_told else None
    least_s = _PERIODS_OF_SILENCE / plan.fps
    return watchdog.Rules(
        stalled_s=None if stalled_s is None else max(stalled_s, least_s),
        frozen_s=watch.frozen_s if is_told else None,
        solid_s=watch.solid_s if is_told else None,
        down_after_s=max(watch.down_after_s, least_s),
        up_after_s=watch.up_after_s,
    )
