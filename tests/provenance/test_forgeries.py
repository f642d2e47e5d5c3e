"""Forged runs, each found at the level that docs/checking.md names."""

import re

import pytest

from bptubeformer.errors import InputError
from bptubeformer.provenance.check import check_crate
from bptubeformer.provenance.dataset import Source
from checkout import REPOSITORY
from provenance.forgeries import CONSISTENT, FORGERIES, REPLAYED, REPRODUCED


def refusal(crate, **options):
    """The message that refuses a crate; nothing where it passes."""
    try:
        check_crate(crate, **options)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.what)
def test_a_forgery_is_found_at_its_level_and_not_before(forgery, forger, capsys):
    forgery.change(forger)
    forger.sign(tables=forgery.level != CONSISTENT)
    options: dict[str, object] = {}
    if forgery.level != CONSISTENT:
        options = {"source": Source("synthetic"), "runs": ["tubelets"]}
    if forgery.level == REPRODUCED:
        options["retrain"] = "tubelets/fold0"
    message = refusal(forger.folder, **options)
    printed = capsys.readouterr().out
    assert message, printed
    assert re.search(forgery.found, f"{message}\n{printed}"), message
    assert message.startswith(f"{forger.folder}: ")
    assert "\n" not in message
    passed = [level for level in (CONSISTENT, REPLAYED, REPRODUCED) if f"\n{level}: " in printed]
    assert (
        passed[:2]
        == {CONSISTENT: [], REPLAYED: [CONSISTENT], REPRODUCED: [CONSISTENT, REPLAYED]}[
            forgery.level
        ]
    )


@pytest.mark.fuzz
@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.what)
def test_a_forgery_whose_tables_fit_is_found_too(forgery, forger):
    forgery.change(forger)
    try:
        forger.sign()
    except InputError:
        pytest.skip("no table can be made of it")
    options = (
        {} if forgery.level == CONSISTENT else {"source": Source("synthetic"), "runs": ["tubelets"]}
    )
    options |= {"retrain": "tubelets/fold0"} if forgery.level == REPRODUCED else {}
    assert re.search(forgery.found, refusal(forger.folder, **options))


def test_the_page_lists_each_forgery_with_its_level():
    text = (REPOSITORY / "docs" / "checking.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| (consistent|replayed|reproduced) \|$", text, re.MULTILINE)
    assert rows == [(forgery.what, forgery.level) for forgery in FORGERIES]
