"""What a newcomer types, as a program."""

import os
import subprocess
import sys
from pathlib import Path

import psutil


def test_demo_sends_exactly_the_expected_mails_and_leaves_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "devstack", "demo", "--check", "--folder", str(folder)]

    for _ in range(2):  # again over what the first run left
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=180, check=False, env=os.environ.copy()
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    assert "✓ 2 mails with a picture" in ended.stdout
    assert not [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
