import copy

import numpy as np
import pytest
import torch

from bptubeformer.config import members_of, model_of, written_out
from bptubeformer.errors import InputError
from bptubeformer.models import build_model
from bptubeformer.models.plain import PLAIN
from bptubeformer.skeleton import (
    COCO_17,
    FOLDER,
    Skeleton,
    known_skeletons,
    load_skeleton,
    read_skeleton,
)
from checkout import base_config

CONFIG = written_out(base_config())
NONE = COCO_17.no_joint


def table(**changes):
    return {**copy.deepcopy(COCO_17.table), **changes}


def test_constant_padding_puts_a_pair_in_the_middle_row_at_the_right():
    grids = COCO_17.part_grids("constant")
    assert np.shape(grids) == (5, 3, 3)
    assert grids[0] == [[0, 1, 2], [3, 4, 5], [6, 11, 12]]
    assert grids[2] == [[NONE, NONE, NONE], [NONE, 9, 10], [NONE, NONE, NONE]]


def test_replicate_padding_repeats_the_nearest_joint():
    grids = COCO_17.part_grids("replicate")
    assert grids[0] == COCO_17.part_grids("constant")[0]
    assert grids[2] == [[9, 9, 10]] * 3
    assert NONE not in np.array(grids)


def test_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="reflect"):
        COCO_17.part_grids("reflect")


def test_all_joints_stand_in_one_grid_row_by_row():
    cells = [cell for row in COCO_17.whole_grid() for cell in row]
    assert cells == [*range(17), *[NONE] * 8]
    assert load_skeleton("mediapipe-33").side == 6


@pytest.mark.parametrize("name", known_skeletons())
def test_a_skeleton_is_what_its_name_and_its_table_say(name):
    skeleton = load_skeleton(name)
    assert len(skeleton.joints) == int(name.rpartition("-")[2])
    assert sorted(j for members in skeleton.members.values() for j in members) == list(
        range(len(skeleton.joints))
    )
    assert list(skeleton.parts) == ["torso", "elbows", "wrists", "knees", "ankles"]
    assert read_skeleton(skeleton.metadata) == skeleton
    sided = [joint for joint in skeleton.joints if joint.startswith(("left", "right"))]
    assert 2 * len(skeleton.pairs) == len(sided)
    # Drawn, every joint hangs on another.
    assert {joint for pair in skeleton.limbs for joint in pair} >= set(skeleton.members["knees"])


def test_ntu_has_the_grids_of_the_public_implementation():
    """Its joints count from 1, and 0 is a cell without one."""
    public = [
        [[4, 3, 9], [21, 5, 2], [17, 1, 13]],
        [[0, 0, 0], [0, 10, 6], [0, 0, 0]],
        [[11, 12, 24], [25, 7, 8], [22, 23, 0]],
        [[0, 0, 0], [0, 18, 14], [0, 0, 0]],
        [[0, 0, 0], [0, 19, 20], [0, 15, 16]],
    ]
    grids = np.array(load_skeleton("ntu-25").part_grids("constant"))
    assert ((grids + 1) % 26).tolist() == public


@pytest.mark.slow
@pytest.mark.parametrize("name", known_skeletons())
def test_every_joint_reaches_the_output_of_every_run(name):
    """But of TTubeFormer, whose stride leaves the last row and column over (docs/fidelity.md)."""
    skeleton = load_skeleton(name)
    config = {**CONFIG, "dataset": {**CONFIG["dataset"], "skeleton": name}}
    for run in members_of(CONFIG, "controls"):
        torch.manual_seed(0)
        settings = model_of(config, run)
        small = {"depth": 1, "dropout": 0.0} if "depth" in settings else {}
        model = build_model({**settings, **small}, 3, skeleton)
        segments = 100 + 50 * torch.rand(2, settings["segment_length"], skeleton.values)
        segments.requires_grad_()
        model(segments)[:, 0].sum().backward()
        reaches = segments.grad.abs().sum((0, 1)).unflatten(0, (-1, 2)).sum(1) > 0
        seen = torch.ones(len(skeleton.joints), dtype=bool)
        if settings["model"] == "ttubeformer":
            covered = skeleton.side // 2 * 2
            seen = torch.tensor([
                joint // skeleton.side < covered and joint % skeleton.side < covered
                for joint in range(len(skeleton.joints))
            ])  # fmt: skip
        assert torch.equal(reaches, seen), run


@pytest.mark.parametrize("name", known_skeletons())
def test_the_plain_models_agree_on_every_skeleton(name):
    skeleton = load_skeleton(name)
    config = {**CONFIG, "dataset": {**CONFIG["dataset"], "skeleton": name}}
    for run in ("BPT-V2", "BPT-8-V1", "BPT-V2@random-0", "ST-Tran-T24", "TTubeFormer"):
        settings = {**model_of(config, run), "depth": 1}
        model = build_model(settings, 3, skeleton)
        plain = PLAIN[settings["model"]](settings, 3, skeleton)
        counts = [sum(p.numel() for p in each.parameters()) for each in (model, plain)]
        assert counts[0] == counts[1], run


def test_a_file_of_a_user_is_a_skeleton(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((FOLDER / "coco-17.yaml").read_text())
    assert load_skeleton(str(path)).parts == COCO_17.parts
    assert load_skeleton(str(path)).name == "mine"
    dotted = load_skeleton(str(path.rename(tmp_path / "mine.v2.yaml")))
    assert read_skeleton(dotted.metadata).name == dotted.name == "mine.v2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": ["nose"]}, r"parts.torso.grid names left eye, which is not one of the joints"),
        ({"joints": [*COCO_17.joints, "tail"]}, "the joint tail is in 0 cells of the body parts"),
        ({"joints": ["Nose!"]}, r"joints.0 = Nose!: expected the name of a joint"),
        ({"joints": ["nose", "nose"]}, r"joints = .*: expected a list of different joints"),
        ({"limbs": [["nose"]]}, r"limbs.0 = \[nose\]: expected two joints"),
        ({"limbs": [["nose", None]]}, "limbs names None, which is not one of the joints"),
        ({"parts": {}}, r"parts = {}: expected a mapping of at most 20 body parts"),
        ({"arms": 1}, r"arms = 1: unknown key; did you mean parts\?|arms = 1: unknown key"),
        ({"parts": {"torso": {"grid": [["nose"]]}}}, "parts.torso.colour is missing"),
        ({"parts": {"torso": {"colour": "blurple", "grid": [["nose"]]}}},
         "parts.torso.colour = blurple: expected tab:blue"),
        ({"parts": {"torso": {"colour": "gold", "grid": [["nose"]], "size": 3}}},
         "parts.torso.size = 3: unknown key"),
        ({"parts": {"torso": {"colour": "gold", "grid": [["nose", None], ["left eye"]]}}},
         "parts.torso.grid has rows of different lengths; fill them up with null"),
    ],
)  # fmt: skip
def test_what_is_no_skeleton_is_refused_by_its_key(changes, message):
    with pytest.raises(InputError, match=f"mine: {message}"):
        Skeleton.of("mine", table(**changes))


def test_what_is_no_file_of_a_skeleton_is_refused(tmp_path):
    with pytest.raises(InputError, match="coco-18: no such skeleton; one of coco-17, halpe-26"):
        load_skeleton("coco-18")
    with pytest.raises(InputError, match=r"not a skeleton .No such file"):
        load_skeleton(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text("joints: [")
    with pytest.raises(InputError, match=r"not a skeleton .not YAML in UTF-8"):
        load_skeleton(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text("17")
    with pytest.raises(InputError, match="its content = 17: expected a mapping with joints"):
        load_skeleton(str(tmp_path / "mine.yaml"))
    with pytest.raises(ValueError, match="its skeleton is not valid"):
        read_skeleton({"joints": 5})
