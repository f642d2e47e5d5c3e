"""Arms: ``<run>@<arm>`` is a run with what the arm changes, such as its coordinates.

A run may have several: ``<run>@<arm>@<arm>``.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from bptubeformer.sections import nearest, wrong
from bptubeformer.texts import shown

AT = "@"
OF_MEMBERS = ("leakage", "identity", "calibration")
"""Keys of a study that list some of its runs."""
MEMBERS = ("runs", "counted", *OF_MEMBERS)
"""All keys of a study that are lists of runs."""


def with_arms(
    config: Mapping[str, Any], bases: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the runs of a configuration, with a whole entry for each arm that is named.

    An arm is named by a study, or by an entry of its own that changes more.

    Args:
        config: with ``runs``, ``studies`` and ``arms``; of any kind, as somebody wrote them.
        bases: more runs that may have arms: those that an overlay leaves out.

    Raises:
        InputError: an arm does not exist, or is not a mapping.
    """
    runs, arms = dict(config["runs"]), config.get("arms", {})
    if not isinstance(arms, Mapping):
        return runs
    for name in dict.fromkeys([*runs, *named_by_studies(config)]):
        own = runs.get(name, {})
        if AT not in str(name) or not isinstance(own, Mapping):
            continue
        # Whoever looks for a run that does not exist says so.
        whole = _with_arm(name, runs, arms, bases)
        if whole is not None:
            runs[name] = whole
    return runs


def _with_arm(
    name: str, runs: Mapping[str, Any], arms: Mapping[str, Any], bases: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the whole entry of a run; None if the run does not exist."""
    own = runs.get(name)
    if isinstance(own, Mapping) and "model" in own:
        return own
    base, at, arm = name.rpartition(AT)
    if not at:
        found = own or bases.get(name)
        return found if isinstance(found, Mapping) else None
    whole = _with_arm(base, runs, arms, bases)
    if whole is None:
        return None
    if arm not in arms:
        remedy = f"no arm {shown(arm)}; {nearest(arm, arms)}"
        raise wrong("config", f"runs.{name}", own or {}, remedy)
    if not isinstance(arms[arm], Mapping):
        raise wrong("config", f"arms.{arm}", arms[arm], "expected a mapping")
    return _changed(_changed(whole, arms[arm]), own or {})


def named_by_studies(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of runs and studies that the studies of a configuration have."""
    studies = config.get("studies")
    for study in studies.values() if isinstance(studies, Mapping) else ():
        if not isinstance(study, Mapping):
            continue
        findings = study.get("findings")
        pairs = findings.values() if isinstance(findings, Mapping) else ()
        single = [study.get(key) for key in ("baseline", "shown")]
        lists = [*(study.get(key) for key in MEMBERS), *pairs, single]
        for names in lists:
            if isinstance(names, list):
                yield from (name for name in names if isinstance(name, str))


def _changed(run: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with changes; of ``training``, with those of its keys that they have."""
    before, after = run.get("training"), changes.get("training")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        changes = {**changes, "training": {**before, **after}}
    return {**run, **changes}
