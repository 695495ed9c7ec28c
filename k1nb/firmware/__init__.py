"""Firmware: images, builds, stored artifacts, and the ledger of what went onto which device."""

from k1nb.firmware._artifacts import Artifact, ArtifactStore
from k1nb.firmware._branch import branch_head, commit_on_branch, files_with, read_file
from k1nb.firmware._build import Build, build_commit, build_folder, check_out, clean_build_folder, remove_build_folder
from k1nb.firmware._build_log import Usage, count_warnings, read_usage
from k1nb.firmware._checks import checks
from k1nb.firmware._commit_check import check_commit
from k1nb.firmware._environments import require_environment
from k1nb.firmware._gate import Limits, gate
from k1nb.firmware._history import PastDeployment, device_history
from k1nb.firmware._image import (
    CHIP_ESP32S3,
    MAX_IMAGE_SIZE,
    MIN_IMAGE_SIZE,
    SAMPLE_PROJECT,
    AppDescriptor,
    ImageFacts,
    SampleFacts,
    SampleHealth,
    SampleLight,
    SamplePattern,
    Segment,
    Style,
    is_stamp,
    read_image,
    require_fits,
    stamp_of,
)
from k1nb.firmware._image_file import ImageFile
from k1nb.firmware._ledger import Deployment, Grade, Ledger, Outcome
from k1nb.firmware._left_over import building, end_left_over_builds
from k1nb.firmware._repository import Commit, Repository, repositories, repository, resolve_commit
from k1nb.firmware._sample import commit_change, ensure_sample_repository

__all__ = [
    "CHIP_ESP32S3",
    "MAX_IMAGE_SIZE",
    "MIN_IMAGE_SIZE",
    "SAMPLE_PROJECT",
    "AppDescriptor",
    "Artifact",
    "ArtifactStore",
    "Build",
    "Commit",
    "Deployment",
    "Grade",
    "ImageFacts",
    "ImageFile",
    "Ledger",
    "Limits",
    "Outcome",
    "PastDeployment",
    "Repository",
    "SampleFacts",
    "SampleHealth",
    "SampleLight",
    "SamplePattern",
    "Segment",
    "Style",
    "Usage",
    "branch_head",
    "build_commit",
    "build_folder",
    "building",
    "check_commit",
    "check_out",
    "checks",
    "clean_build_folder",
    "commit_change",
    "commit_on_branch",
    "count_warnings",
    "device_history",
    "end_left_over_builds",
    "ensure_sample_repository",
    "files_with",
    "gate",
    "is_stamp",
    "read_file",
    "read_image",
    "read_usage",
    "remove_build_folder",
    "repositories",
    "repository",
    "require_environment",
    "require_fits",
    "resolve_commit",
    "stamp_of",
]
