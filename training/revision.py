"""Which state of the code made a result."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def revision() -> str:
    """The checkout's commit, with `+changes` if files differ from it; `unknown` outside one."""
    here = Path(__file__).parent
    git = shutil.which("git")
    if git is None:
        return "unknown"
    head = subprocess.run([git, "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    dirty = subprocess.run(
        [git, "status", "--porcelain", "--untracked-files=no"], cwd=here, capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
