"""`artifact`: a versioned data set, in a folder, in MLflow or in W&B, without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training.commands import UsageError

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("artifact", help="make a versioned data set, or verify one")
    parser.add_argument("--in", dest="folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", help="of the data set")
    parser.add_argument("--to", choices=("folder", "mlflow", "wandb"), default="folder")
    parser.add_argument("--out", type=Path, help="folder that holds all versions")
    parser.add_argument("--verify", action="store_true", help="check the files of a version")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Make or verify, and print the version."""
    from maskwatch_training.datasets import artifact

    if options.verify:
        manifest = artifact.verify(options.folder)
        print(f"{manifest.name} {manifest.version} {manifest.digest}: {len(manifest.files)} files")
        return
    if not options.name or not options.out:
        raise UsageError("artifact: --name and --out, or --verify")
    _make(options)


def _make(options: argparse.Namespace) -> None:
    from maskwatch_training import record
    from maskwatch_training.datasets import artifact, publish

    artifact.check_name(options.name)
    settings = {"in": str(options.folder), "name": options.name, "to": options.to}
    job = record.Job("artifact", options.out / options.name, settings=settings)
    with record.recording(job) as results:
        version = artifact.store(options.folder, options.name, options.out)
        results |= {"version": version.manifest.version, "digest": version.manifest.digest}
        place = str(version.folder)
        if options.to == "mlflow":
            place = f"MLflow run {publish.to_mlflow(version, options.out)}"
        elif options.to == "wandb":
            place = f"offline run {publish.to_wandb(version, options.out)}"
        results["place"] = place
    news = "new" if version.is_new else "the same content, nothing copied"
    print(f"{options.name} {version.manifest.version} ({news}): {place}")
