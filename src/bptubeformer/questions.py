"""One question of a study about each run of a list: ``{run}`` in it is the name of the run."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bptubeformer.sections import wrong

RUN, OTHER = "{run}", "{other}"
PLACE = re.compile(r"{run}|{other}")


def with_questions(studies: Any) -> Any:
    """Return studies with a question for each run of a list.

    Args:
        studies: of any kind, as somebody wrote them. ``Is {run} better than {other}?: [[a, b], c]``
            becomes one question about a and c, and one about b and c. With ``[[a, b], [c, d]]``,
            the second is about b and d. A third text, the measure, stays.

    Raises:
        InputError: two lists have different lengths.
    """
    if not isinstance(studies, Mapping):
        return studies
    return {
        name: {**study, "findings": dict(_each(study["findings"]))}
        if isinstance(study, Mapping) and isinstance(study.get("findings"), Mapping)
        else study
        for name, study in studies.items()
    }


def _each(findings: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for question, pair in findings.items():
        of_a_list = isinstance(pair, list) and len(pair) > 1 and isinstance(pair[0], list)
        if not (of_a_list and PLACE.search(str(question))):
            yield question, pair
            continue
        runs, other, *measure = pair
        others = other if isinstance(other, list) else [other] * len(runs)
        if len(runs) != len(others):
            raise wrong(
                "config", f"findings.{question}", pair,
                f"{len(runs)} runs and {len(others)} others; give as many of both, or one other",
            )  # fmt: skip
        for run, than in zip(runs, others, strict=True):
            yield (
                str(question).replace(RUN, str(run)).replace(OTHER, str(than)),
                [run, than, *measure],
            )
