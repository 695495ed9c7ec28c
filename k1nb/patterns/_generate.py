"""A generated pattern as a commit on the branch of pattern tests."""

from __future__ import annotations

from dataclasses import dataclass

from k1nb.errors import CommitError
from k1nb.firmware import Commit, Repository, branch_head, commit_on_branch, files_with, read_file
from k1nb.patterns._source import (
    K1_REGISTRY,
    SAMPLE_REGISTRY,
    PatternParams,
    Source,
    is_static,
    k1_source,
    require_id,
    sample_source,
)

BRANCH = "pattern-test"
"""The branch that generated patterns are committed to; it may be removed at any time."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A pattern in the repository; `new` is false where the same one had been committed before."""

    pattern_id: str
    source: Source
    commit: Commit
    new: bool
    static: bool


def generate(repository: Repository, name: str, params: PatternParams, *, base_branch: str) -> Generated:
    """Commit a pattern, on top of what `base_branch` has now, to the branch `pattern-test`.

    No working tree takes part. Raises UsageError for a name that cannot be one, CommitError where the branch is not
    there, the pattern is, or there is no registry that is known.
    """
    pattern_id = require_id(name)
    base = branch_head(repository, base_branch)
    if base is None:
        raise CommitError(
            f"repository {repository.name} has no branch {base_branch!r}",
            hint=f"git -C {repository.path} branch --all",
        )
    source = _source(repository, base, pattern_id, params)
    commit, new = commit_on_branch(repository, BRANCH, base, source.files, f"Add the pattern {pattern_id}")
    return Generated(pattern_id, source, commit, new, is_static(pattern_id, params))


def _source(repository: Repository, base: str, pattern_id: str, params: PatternParams) -> Source:
    folder = "" if repository.project == "." else f"{repository.project}/"
    listed = read_file(repository, base, f"{folder}{SAMPLE_REGISTRY}")
    if listed is not None:
        return sample_source(pattern_id, params, repository.project, listed)
    for path in files_with(repository, base, f"const {K1_REGISTRY}", f"{folder}src"):
        if path.endswith((".cpp", ".h", ".hpp")) and (text := read_file(repository, base, path)):
            return k1_source(pattern_id, params, path, text)
    raise CommitError(
        f"there is no registry of patterns in {repository.name} at {base[:12]}",
        hint=f"wanted is {folder}{SAMPLE_REGISTRY}, or `const {K1_REGISTRY}` in a file below {folder}src",
    )
