import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.data.tracking import LONGEST_GAP, track

SHAPE = np.random.default_rng(0).uniform(-40, 40, (17, 2))


def walk(starts, speeds, frames):
    """Poses (frames, people, 17, 2) of people who walk in a straight line."""
    places = np.array(starts)[None] + np.arange(frames)[:, None, None] * np.array(speeds)[None]
    return (places[:, :, None] + SHAPE).astype(np.float32)


def rows_of(poses, seed=0):
    """Frame, person and joints of each row; the order within a frame is shuffled."""
    generator, rows = np.random.default_rng(seed), []
    for frame in range(len(poses)):
        for person in generator.permutation(poses.shape[1]):
            if np.isfinite(poses[frame, person]).any():
                rows.append((frame, person, poses[frame, person]))
    frame, person, joints = zip(*rows, strict=True)
    return np.array(frame), np.array(person), np.array(joints)


def same(true, found):
    """Each true person is one found one, and the other way round."""
    pairs = set(zip(true.tolist(), found.tolist(), strict=True))
    return len(pairs) == len(set(true.tolist())) == len(set(found.tolist()))


def test_two_people_who_cross_are_not_exchanged():
    poses = walk([(100, 200), (700, 200)], [(15, 0), (-15, 0)], 40)  # they meet in frame 20
    poses[:, 1] += np.random.default_rng(1).normal(0, 8, (17, 2))
    frame, true, joints = rows_of(poses)
    assert same(true, track(frame, joints))


@given(st.integers(0, 20))
def test_a_crowd_whose_order_changes_keeps_its_people(seed):
    generator = np.random.default_rng(seed)
    starts = [(150.0 * (i % 4), 300.0 * (i // 4)) for i in range(12)]
    poses = walk(starts, generator.uniform(-4, 4, (12, 2)), 25)
    poses += generator.normal(0, 1, poses.shape)
    frame, true, joints = rows_of(poses, seed)
    assert same(true, track(frame, joints))


def test_who_was_lost_for_a_while_is_found_again_and_not_after_long():
    poses = walk([(100, 200)], [(5, 1)], 60)
    poses[10 : 10 + LONGEST_GAP - 1] = np.nan
    frame, true, joints = rows_of(poses)
    assert same(true, track(frame, joints))
    poses[30 : 30 + LONGEST_GAP + 1] = np.nan
    frame, _, joints = rows_of(poses)
    assert len(set(track(frame, joints).tolist())) == 2


def test_missing_joints_and_frames_without_order_do_not_matter():
    poses = walk([(100, 200), (500, 300)], [(3, 0), (0, 3)], 20)
    poses[5, 0, ::2] = np.nan
    poses[6, 0, 1::2] = np.nan  # no joint in common with the frame before
    frame, true, joints = rows_of(poses)
    assert same(true, track(frame, joints))
    order = np.random.default_rng(1).permutation(len(frame))
    assert same(true[order], track(frame[order], joints[order]))


def test_a_row_that_stands_twice_and_one_without_joints_are_nobody():
    joints = np.stack([SHAPE, SHAPE, np.full((17, 2), np.nan)]).astype(np.float32)
    joints[:2, 3] = np.nan
    assert track(np.zeros(3, int), joints).tolist() == [1, -1, -1]


def test_another_person_far_away_is_another_one():
    poses = walk([(100, 200)], [(0, 0)], 2)
    poses[1] += 500
    frame, _, joints = rows_of(poses)
    assert track(frame, joints).tolist() == [1, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows(count):
    frame, joints = np.zeros(count, int), np.tile(SHAPE, (count, 1, 1))
    assert track(frame, joints).tolist() == [1] * count
