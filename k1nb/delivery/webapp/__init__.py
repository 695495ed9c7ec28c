"""The web app beside the firmware: built by npm, stored, put into service at a target, tested, taken back."""

from k1nb.delivery.webapp._build import WebBuild, build_webapp
from k1nb.delivery.webapp._deploy import Deployed, Restored, deploy, release_facts, restore, switch_to
from k1nb.delivery.webapp._page import RELEASE_FILE, ReleaseFacts, serving
from k1nb.delivery.webapp._rollback import WebAppFacts, apply, observe, plan
from k1nb.delivery.webapp._store import WebApp, WebAppStore
from k1nb.delivery.webapp._target import (
    ENVIRONMENTS,
    FolderTarget,
    Release,
    RsyncTarget,
    is_release_name,
    releases,
    target_of,
)
from k1nb.delivery.webapp._trial import Trial, try_release

__all__ = [
    "ENVIRONMENTS",
    "RELEASE_FILE",
    "Deployed",
    "FolderTarget",
    "Release",
    "ReleaseFacts",
    "Restored",
    "RsyncTarget",
    "Trial",
    "WebApp",
    "WebAppFacts",
    "WebAppStore",
    "WebBuild",
    "apply",
    "build_webapp",
    "deploy",
    "is_release_name",
    "observe",
    "plan",
    "release_facts",
    "releases",
    "restore",
    "serving",
    "switch_to",
    "target_of",
    "try_release",
]
