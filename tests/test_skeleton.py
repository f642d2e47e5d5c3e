import numpy as np
import pytest

from bptubeformer.skeleton import JOINTS, LIMBS, NO_JOINT, PART_COLOURS, PARTS, part_grids


def test_parts_cover_every_joint_once():
    joints = sorted(joint for grid in PARTS.values() for row in grid for joint in row)
    assert joints == list(range(len(JOINTS)))


def test_constant_padding_puts_a_pair_in_the_middle_row_at_the_right():
    grids = part_grids("constant")
    assert np.shape(grids) == (5, 3, 3)
    assert grids[0] == [[0, 1, 2], [3, 4, 5], [6, 11, 12]]
    none = NO_JOINT
    assert grids[2] == [[none, none, none], [none, 9, 10], [none, none, none]]


def test_replicate_padding_repeats_the_nearest_joint():
    grids = part_grids("replicate")
    assert grids[0] == part_grids("constant")[0]
    assert grids[2] == [[9, 9, 10]] * 3
    assert NO_JOINT not in np.array(grids)


def test_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="reflect"):
        part_grids("reflect")


def test_limbs_and_colours_name_what_exists():
    assert np.array(LIMBS).max() < len(JOINTS)
    assert list(PART_COLOURS) == list(PARTS)
