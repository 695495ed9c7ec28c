"""What speaks against a record: a verdict that doesn't follow, files that are not as its manifest says."""

from __future__ import annotations

from k1nb.checks import verdict
from k1nb.config import Settings
from k1nb.records._record import MANIFEST, Record, sum_of
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
    signed = verify_record(settings.paths, record.id).problems
    found += [f"{problem.file}: {problem.what}" for problem in signed if problem.file.startswith("manifest.")]
    for name, digest in record.files.items():
        file = record.folder / name
        try:
            if sum_of(file) != digest:
                found.append(f"{name} is not what was kept: its SHA-256 is another one")
        except FileNotFoundError:
            found.append(f"{name} is missing")
        except OSError as error:
            found.append(f"{name} cannot be read: {error.strerror}")
    return found + [f"{name} is in no manifest" for name in _strangers(record)]


def _strangers(record: Record) -> list[str]:
    """Return the files that no manifest tells of; manifests, signatures and hidden files tell of themselves."""
    names = sorted(file.name for file in record.folder.iterdir())
    own = (MANIFEST.partition(".")[0], ".")
    return [name for name in names if name not in record.files and not name.startswith(own)]
