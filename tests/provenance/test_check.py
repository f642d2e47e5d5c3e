"""What a received run has proved: forgeries, each at the level that finds it."""

import contextlib
import os
import re
import shutil
import tempfile
import zipfile

import pytest

from bptubeformer.data.synthetic import write_dataset
from bptubeformer.errors import InputError
from bptubeformer.provenance.check import check_crate
from bptubeformer.provenance.crate import write_crate
from bptubeformer.provenance.received import METADATA
from checkout import REPOSITORY
from mutations import within_seconds
from provenance.forgeries import CONSISTENT, FORGERIES, REPLAYED, REPRODUCED, of_training
from provenance.tiny import RESULTS, Forger, build, config


@pytest.fixture(scope="module")
def crate(tmp_path_factory):
    return build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def forger(crate, tmp_path):
    return Forger(shutil.copytree(crate, tmp_path / "crate"))


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
    options = {}
    if forgery.level != CONSISTENT:
        options = {"data": "synthetic", "runs": ["tubelets"]}
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
    options = {} if forgery.level == CONSISTENT else {"data": "synthetic", "runs": ["tubelets"]}
    options |= {"retrain": "tubelets/fold0"} if forgery.level == REPRODUCED else {}
    assert re.search(forgery.found, refusal(forger.folder, **options))


def test_the_page_lists_each_forgery_with_its_level():
    text = (REPOSITORY / "docs" / "checking.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| (consistent|replayed|reproduced) \|$", text, re.MULTILINE)
    assert rows == [(forgery.what, forgery.level) for forgery in FORGERIES]


def test_metadata_that_contradict_a_record_are_found(forger):
    path = forger.folder / METADATA
    path.write_text(path.read_text().replace("tubelets/fold0 on ", "tubelets/fold0 on a GPU, "))
    folder = "results/tiny/video/tubelets/fold0"
    with pytest.raises(InputError, match=rf"the metadata, #{folder}, name: .* on a GPU, "):
        check_crate(forger.folder)


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda place, outside: (place / ".hidden").write_text("x"), r"\.hidden is not one that"),
        (lambda place, outside: (place / "more").symlink_to(outside), "more is a link, pipe or"),
        (lambda place, outside: os.mkfifo(place / "pipe"), "pipe is a link, pipe or device"),
    ],
)
def test_hidden_files_links_and_pipes_are_refused(add, words, forger, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    add(forger.fold("tubelets"), outside)
    with pytest.raises(InputError, match=f"its file results/tiny/video/tubelets/fold0/{words}"):
        check_crate(forger.folder)


def test_a_folder_that_became_a_link_is_refused(forger, tmp_path):
    folder = forger.fold("tubelets")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="tubelets/fold0 is a link, pipe or device"):
        check_crate(forger.folder)


def test_a_file_that_is_listed_twice_is_refused(forger):
    path = forger.folder / METADATA
    path.write_text(path.read_text().replace('"@id": "LICENSE"', '"@id": "README%2Emd"'))
    with pytest.raises(InputError, match=r"it lists the file README\.md twice"):
        check_crate(forger.folder)


def test_a_few_lines_of_yaml_do_not_unfold_for_ever(forger):
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9)]
    (forger.folder / "config.yaml").write_text("\n".join(lines))
    forger.sign_files()
    with within_seconds(), pytest.raises(InputError, match=r"config\.yaml: .*too many values"):
        check_crate(forger.folder)


def test_a_message_names_the_crate_and_never_a_temporary_path(forger, tmp_path):
    forger.record(forger.fold("tubelets"), epochs="many")
    forger.sign_files()
    shutil.make_archive(tmp_path / "sent", "zip", forger.folder)
    where = r"sent\.zip: results/tiny/video/tubelets/fold0/run\.json: epochs = many: expected a w"
    with pytest.raises(InputError, match=where) as error:
        check_crate(tmp_path / "sent.zip")
    assert tempfile.gettempdir() not in str(error.value).replace(str(tmp_path), "")


def test_what_is_asked_for_must_be_there(crate):
    with pytest.raises(InputError, match="--retrain needs the dataset; give it with --data"):
        check_crate(crate, retrain="tubelets/fold0")
    with pytest.raises(InputError, match="--runs mine: no such run; one of plain, tubelets, twin"):
        check_crate(crate, data="synthetic", runs=["mine"])
    for name in ("tubelets/fold9", "tubelets", "fold0"):
        with pytest.raises(InputError, match=rf"--retrain {name}: no such training; give one such"):
            check_crate(crate, data="synthetic", retrain=name)


def test_other_data_is_found(crate, tmp_path):
    write_dataset(tmp_path / "other", seed=7, size=0.6)
    with pytest.raises(InputError, match="differences between the data and what it says of the da"):
        check_crate(crate, data=str(tmp_path / "other"))


def test_the_data_may_be_packed(crate, tmp_path, capsys):
    write_dataset(tmp_path / "raw", seed=6, size=0.6)
    archive = shutil.make_archive(tmp_path / "data", "zip", tmp_path / "raw")
    check_crate(crate, data=archive, runs=["plain"])
    printed = capsys.readouterr().out
    assert "replayed 4 of 4: video/plain/fold1-seed1; time left: about 0 s" in printed
    assert "replayed: the models make their predictions again, to the bit" in printed


def test_a_training_on_another_machine_is_compared_with_the_spread(forger, capsys):
    for fold in ("fold0", "fold0-seed1"):
        forger.record(forger.fold("tubelets", fold), device="another processor")
    forger.sign()
    check_crate(forger.folder, data="synthetic", runs=["plain"], retrain="tubelets/fold0")
    assert "reproduced: the training of video/tubelets/fold0, to the bit" in capsys.readouterr().out
    of_training(seed=5)(forger)
    forger.sign()
    check_crate(forger.folder, data="synthetic", runs=["plain"], retrain="tubelets/fold0")
    printed = capsys.readouterr().out
    assert re.search(r"balanced accuracy: differs by 0\.\d+; recorded trainings by 0\.\d+", printed)
    assert "video/tubelets/fold0, within the spread of the recorded ones" in printed


@pytest.fixture
def light(crate, tmp_path):
    """A crate without weights, unpacked."""
    with contextlib.chdir(crate.parent):
        write_crate(RESULTS, config(), tmp_path / "light.zip", without_weights=True)
    with zipfile.ZipFile(tmp_path / "light.zip") as file:
        file.extractall(tmp_path / "light")
    return tmp_path / "light"


def test_a_crate_without_weights_says_what_it_can_prove(light, crate, capsys):
    assert not list(light.rglob("model.safetensors"))
    check_crate(light, data="synthetic", retrain="tubelets/fold0")
    printed = capsys.readouterr().out
    assert "\nconsistent: " in printed
    assert "\nreplayed: not possible, 20 models were left out of the crate" in printed
    assert "\nreproduced: the training of video/tubelets/fold0, to the bit" in printed


def test_weights_that_are_added_later_are_compared_with_their_hashes(light, crate, capsys):
    names = [path.relative_to(crate) for path in crate.rglob("model.safetensors")]
    for name in names:
        shutil.copy(crate / name, light / name)
    check_crate(light, data="synthetic", runs=["plain"])
    assert "\nreplayed: the models make their predictions again" in capsys.readouterr().out
    shutil.copy(crate / names[0], light / names[1])
    with pytest.raises(InputError, match=r"model\.safetensors was changed: its SHA-256 is another"):
        check_crate(light)


def test_a_list_of_weights_leads_nowhere_else(light):
    path = light / RESULTS / "weights.json"
    Forger(light).json(path, lambda content: content["models"][0].update(path="../../../a"))
    Forger(light).sign_files()
    with pytest.raises(InputError, match=r"weights\.json: \.\./\.\./\.\./a is not the path of"):
        check_crate(light)
