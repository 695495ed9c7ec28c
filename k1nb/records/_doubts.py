"""What speaks against a record: a verdict that doesn't follow, files that are not as they were sealed."""

from __future__ import annotations

from k1nb.checks import verdict
from k1nb.config import Settings
from k1nb.records._record import Record
from k1nb.records._verify import verify_record


def doubts(settings: Settings, record: Record) -> list[str]:
    """Return one sentence for each contradiction in a record; none where it agrees with itself and is as it was signed.

    Whether records are missing beside it is for `k1nb records verify` to say.
    """
    found = []
    if not record.manifest.honest:
        sums_up = verdict(record.checks)
        found.append(f"the verdict {record.verdict} does not follow from the checks, which add up to {sums_up}")
    if record.folder.parent == settings.paths.staging:
        return found
    problems = verify_record(settings.paths, record.id).problems
    return found + [f"{problem.file}: {problem.what}" for problem in problems]
