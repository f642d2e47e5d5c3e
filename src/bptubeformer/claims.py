"""The paper's claims and printed numbers, from the one file that holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import yaml

FILE = Path(__file__).with_name("claims.yaml")


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, and how it is tested."""

    id: str
    where: str
    """Section, table or figure of the paper."""
    statement: str
    printed: str | None = None
    """What is printed; the digits of a number behind its point are its precision."""
    test: str | None = None
    """Name of the function of ``bptubeformer.verdict`` that decides; None where nothing can."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the test needs to know beyond the printed number."""
    verdict: str | None = None
    """A verdict that no result changes: of contradictions and of what is not stated."""
    reason: str | None = None
    """Why there is no test, or what it leaves open; what contradicts what; what was chosen."""
    part: str = ""
    """Letter of a part of a claim that says several things; each part has a verdict."""
    rests_on: str | None = None
    """A guess that the verdict depends on, such as a width that the paper does not state."""
    reconstruction: bool = False
    """Decided by a model whose definition is ours: never "reproduced"."""
    leading: bool = False
    """One of the claims that carry the paper; they open the page."""
    keys: tuple[str, ...] = ()
    """Keys of ``config.yaml`` that hold the choice where the paper states nothing."""

    @property
    def value(self) -> float:
        """The printed number."""
        if self.printed is None:
            raise ValueError(f"claim {self.id} has no printed number")
        return float(self.printed)

    @property
    def digits(self) -> int:
        """Digits behind the point of the printed number."""
        return len((self.printed or "").partition(".")[2])


@cache
def _file() -> dict[str, Any]:
    # The loader in C reads it ten times faster, where PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(FILE.read_text(encoding="utf-8"), loader)  # noqa: S506 (a safe loader)


@cache
def load_claims() -> tuple[Claim, ...]:
    """All claims, in the order of the paper; a claim of several parts is several entries.

    Raises:
        ValueError: an entry of the file has an unknown key, or an id is used twice.
    """
    claims = []
    for section in _file()["sections"]:
        for entry in section["claims"]:
            whole = {**section.get("all", {}), **entry}
            parts = whole.pop("parts", None) or [{}]
            for letter, part in zip(ascii_lowercase, parts, strict=False):
                settings = {**whole, **part}
                settings["keys"] = tuple(settings.get("keys", ()))
                if part:
                    settings["part"] = letter
                    settings["statement"] = f"{whole['statement']} ({letter}) {part['statement']}"
                try:
                    claims.append(Claim(**settings))
                except TypeError as error:
                    raise ValueError(f"{FILE.name}, {entry.get('id')}: {error}") from error
    ids = [(claim.id, claim.part) for claim in claims]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise ValueError(f"{FILE.name}: {''.join(twice)} is used twice")
    return tuple(claims)


@cache
def section_titles() -> dict[str, str]:
    """Heading of each group of claims, by the letter that their ids begin with."""
    return {
        entry["id"][0]: section["title"]
        for section in _file()["sections"]
        for entry in section["claims"]
    }


@cache
def papers_runs() -> tuple[str, ...]:
    """Names, in ``config.yaml``, of the runs that the paper names."""
    return tuple(_file()["runs"])


@cache
def printed_table(number: int) -> dict[str, dict[str, float]]:
    """Table 1 or 2 as printed, by run name: mean and std, or macs and params."""
    columns = {
        1: {"accuracy": "mean"},
        2: {"macs": "macs", "parameters": "params"},
    }
    table: dict[str, dict[str, float]] = {}
    for claim in load_claims():
        if claim.test in columns[number]:
            row = table.setdefault(claim.arguments["run"], {})
            row[columns[number][claim.test]] = claim.value
            if "std" in claim.arguments:
                row["std"] = float(claim.arguments["std"])
    return table
