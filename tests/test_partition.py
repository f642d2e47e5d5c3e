import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.partition import PARTITIONS, partitioned
from bptubeformer.skeleton import COCO_17, load_skeleton


def test_a_skeleton_may_stay_as_it_is():
    assert partitioned(COCO_17, "skeleton") is COCO_17


@pytest.mark.parametrize("partition", PARTITIONS)
def test_every_joint_is_in_one_part(partition):
    """And joints, limbs and the square of the parts stay: no two runs differ in anything else."""
    other = partitioned(COCO_17, partition)
    assert sorted(j for members in other.members.values() for j in members) == list(range(17))
    assert (other.joints, other.limbs) == (COCO_17.joints, COCO_17.limbs)
    assert other.part_side == (4 if partition == "halves" else 3)


def test_limbs_and_sides_hold_the_joints_of_their_names():
    for partition in ("limbs", "sides"):
        other = partitioned(COCO_17, partition)
        for part, members in other.members.items():
            for side in ("left", "right"):
                if part.startswith(side):
                    names = {COCO_17.joints[joint] for joint in members}
                    assert all(name.startswith(side) for name in names - {"nose"})


@given(seed=st.integers(0, 9999))
def test_random_parts_have_the_sizes_of_the_papers(seed):
    other = partitioned(COCO_17, f"random-{seed}")
    assert {part: np.shape(grid) for part, grid in other.parts.items()} == {
        part: np.shape(grid) for part, grid in COCO_17.parts.items()
    }
    assert sorted(j for members in other.members.values() for j in members) == list(range(17))
    assert partitioned(COCO_17, f"random-{seed}") == other


def test_seeds_shuffle_differently():
    grids = [str(partitioned(COCO_17, f"random-{seed}").parts) for seed in range(5)]
    assert len(set(grids)) == 5


def test_a_partition_by_name_is_of_cocos_joints():
    with pytest.raises(ValueError, match="the partition limbs is of the joints of coco-17"):
        partitioned(load_skeleton("halpe-26"), "limbs")
    assert partitioned(load_skeleton("halpe-26"), "random-1").part_side == 4
