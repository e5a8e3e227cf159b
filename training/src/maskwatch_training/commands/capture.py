"""`capture`: label pictures of a camera, a film or a folder, in a window or on a page."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import record
from maskwatch_training.commands import UsageError

if TYPE_CHECKING:
    from maskwatch_training.capture.desk import Desk
    from maskwatch_training.capture.groups import OnePerson
    from maskwatch_training.capture.sources import Source
    from maskwatch_training.capture.store import Store
    from maskwatch_training.commands import Steps

_MODEL = Path("services/edge_detector/src/edge_detector/models/maskwatch-face-mask-320.tflite")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("capture", help="label pictures of a camera, a film or a folder")
    parser.add_argument(
        "--source",
        help="camera (0, /dev/video0), film, picture or folder; default: camera 0, "
        "on the page the browser's own camera",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the set; goes on there")
    parser.add_argument("--name", type=_name, default="captured", help="of the set: NAME.jsonl")
    parser.add_argument("--every", type=_count, default=5, help="of a film, every n-th frame")
    parser.add_argument("--model", type=Path, help="face detector (.tflite); default: the shipped")
    parser.add_argument("--score", type=_unit, default=0.4, help="least score of a face found")
    parser.add_argument("--licence", default="not stated", help="of the pictures, in words")
    parser.add_argument("--quality", type=_quality, default=92, help="of the JPEGs, 1 to 100")
    _add_groups(parser)
    page = parser.add_argument_group("page")
    page.add_argument("--page", action="store_true", help="a browser page instead of a window")
    page.add_argument("--host", default="127.0.0.1", help="address that the page listens on")
    page.add_argument("--port", type=int, default=8642, help="0: any that is free")
    parser.set_defaults(run=run)


def _add_groups(parser: argparse.ArgumentParser) -> None:
    groups = parser.add_argument_group(
        "group", "a split keeps a group on one side; by default a session is one group"
    ).add_mutually_exclusive_group()
    groups.add_argument("--person", "--group", dest="person", help="who is in the pictures")
    groups.add_argument(
        "--group-each", action="store_true", help="each picture is its own: photos of strangers"
    )


def run(options: argparse.Namespace) -> None:
    """Label until the person quits; print and record what was done."""
    from maskwatch_training.capture.desk import Desk
    from maskwatch_training.capture.faces import Finder
    from maskwatch_training.capture.store import Store, Terms

    if not options.page and not _has_display(os.environ):
        raise UsageError("no display for a window: set DISPLAY, or take --page")
    person, model = _person(options), _model(options)
    store = Store(options.out, Terms(options.name, options.licence, options.quality))
    try:
        _say_what_is_amiss(store)
        job = record.Job(
            step="capture",
            folder=options.out,
            settings={
                "source": options.source,
                "name": options.name,
                "score": options.score,
                "quality": options.quality,
            },
            data=[model],
        )
        with record.recording(job) as results:
            finder = Finder(model, score_min=options.score)
            source = _source(options, store)
            desk = Desk(store, finder, source=source, person=person, set_name=options.name)
            try:
                _label(options, desk)
            finally:
                source.close()
                session = dict(desk.tally) | {"unreadable": source.unreadable}
                results.update(faces_in_set=store.counts, session=session)
                print(f"{store.path}: {_counted(store.counts)}")
                print(f"this session: {_counted(session)}")
    finally:
        store.close()


def _source(options: argparse.Namespace, store: Store) -> Source:
    from maskwatch_training.capture import counter, sources

    if options.source is None and options.page:
        return sources.Pushed(counter.BROWSER)
    return sources.open_source(
        options.source or "0", every=options.every, first_frame=store.next_frame
    )


def _label(options: argparse.Namespace, desk: Desk) -> None:
    if options.page:
        from maskwatch_training.capture.page import Page

        page = Page(desk, host=options.host, port=options.port)
        print(f"Open {page.url}  (Ctrl-C or the page's button ends it)", flush=True)
        page.run()
    else:
        from maskwatch_training.capture import window

        window.run(desk)


def _model(options: argparse.Namespace) -> Path:
    if options.model is not None:
        return Path(options.model)
    for folder in Path(__file__).resolve().parents:
        if (folder / _MODEL).is_file():
            return folder / _MODEL
    raise UsageError("--model: say where the face detector (.tflite) is; no checkout around here")


def _person(options: argparse.Namespace) -> OnePerson:
    from maskwatch_training.capture import groups

    session = groups.of_session(datetime.now(UTC))
    if options.group_each:
        return groups.EachItsOwn(session.person)
    return session if options.person is None else session.named(options.person)


def _has_display(environment: Mapping[str, str]) -> bool:
    """Without one, Qt under OpenCV ends the process instead of raising."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def _say_what_is_amiss(store: Store) -> None:
    if store.torn:
        print(f"{store.path}: unfinished last line ({store.torn} bytes) moved to .torn")
    if store.missing:
        print(f"{store.path}: {len(store.missing)} pictures are gone, first {store.missing[0]}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits, - and _, at most 64")
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _quality(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError("1 to 100")
    return number


def _unit(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("a score lies between 0 and 1")
    return number
