"""Models of other sources, against what their source says in words."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch

from bptubeformer.models import build_model
from bptubeformer.models.augmentation import noisy, rotated, without_a_part
from bptubeformer.models.bptshared import BPTShared
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.echogcn import JOINTS as OF_ECHO
from bptubeformer.models.echogcn import EchoGCN, _echo_graph, _Similar
from bptubeformer.models.factorised import _HalfTheHeads, _OverParts, _OverTime
from bptubeformer.models.graph import CENTRE, INWARD, adjacency
from bptubeformer.models.hsacts import _distances, _hyperedges, _HypergraphAttention, _normalised
from bptubeformer.models.limbcnn import LimbCNN
from bptubeformer.models.skateformer import PARTS, _in_partitions, _joints_of
from bptubeformer.skeleton import COCO_17, load_skeleton

JOINTS = {joint: number for number, joint in enumerate(COCO_17.joints)}


def test_every_joint_of_the_graph_leads_to_the_centre():
    assert {*INWARD, CENTRE} == set(COCO_17.joints)
    for joint in COCO_17.joints:
        for _ in COCO_17.joints:
            joint = INWARD.get(joint, joint)
        assert joint == CENTRE


def test_the_subsets_are_a_joint_itself_inward_and_outward():
    itself, inward, outward = adjacency(COCO_17)
    assert np.array_equal(itself, np.eye(17))
    assert inward[JOINTS["left knee"], JOINTS["left ankle"]] == 1
    assert inward[JOINTS["left ankle"], JOINTS["left knee"]] == 0
    # The nose passes on to both eyes and both shoulders, a quarter each.
    assert outward[JOINTS["left eye"], JOINTS["nose"]] == 0.25
    assert np.array_equal(inward > 0, outward.T > 0)
    for subset in (inward, outward):
        assert set(subset.sum(axis=0)) == {0, 1}


def test_joints_that_coco_does_not_have_are_their_own_neighbours_only():
    halpe = load_skeleton("halpe-26")
    others = [joint not in JOINTS for joint in halpe.joints]
    assert any(others)
    itself, *directed = adjacency(halpe)
    assert np.array_equal(itself, np.eye(26))
    assert not any(subset[others].any() or subset[:, others].any() for subset in directed)


def test_twenty_joints_are_made_of_seventeen():
    shares = _joints_of(COCO_17)
    joints = torch.arange(34.0).view(17, 2)
    made = (joints.T @ shares).T.view(len(PARTS), 4, 2)
    neck = (joints[JOINTS["left shoulder"]] + joints[JOINTS["right shoulder"]]) / 2
    for part, (chain, place) in enumerate(zip(PARTS, [0, 0, None, None, 1], strict=True)):
        if place is not None:
            assert torch.equal(made[part, place], neck)
        for number, joint in enumerate(chain):
            if joint in JOINTS:
                assert torch.equal(made[part, number], joints[JOINTS[joint]])


@pytest.mark.parametrize(
    ("kind", "frames", "joints"),
    [(0, [3, 4, 5], [4, 5, 6, 7]), (1, [3, 4, 5], [1, 5, 9, 13, 17]),
     (2, [1, 5, 9], [4, 5, 6, 7]), (3, [1, 5, 9], [1, 5, 9, 13, 17])],
)  # fmt: skip
def test_a_partition_holds_near_or_far_frames_of_one_part_or_one_place(kind, frames, joints):
    """Twelve frames in partitions of three: the one with frame 5 and joint 5."""
    frame, joint = torch.meshgrid(torch.arange(12), torch.arange(20), indexing="ij")
    tokens = torch.stack([frame, joint], dim=-1)[None]
    seen = []

    def attention(x):
        seen.extend(x.tolist())
        return x

    assert torch.equal(_in_partitions(attention, tokens, 3, kind), tokens)
    expected = [[f, j] for f in frames for j in joints]
    assert [5, 5] in expected
    assert expected in seen


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({"model": "skateformer", "segment_length": 60},
         "skateformer needs segment_length % (8 * partition_length) == 0; segment_length is 60, "
         "partition_length is 3"),
        ({"model": "skateformer", "segment_length": 24, "width": 80}, "width % 32 == 0"),
        ({"model": "ctrgcn", "segment_length": 24, "width": 30}, "width % 4 == 0; width is 30"),
        ({"model": "limbcnn", "segment_length": 16}, "segment_length > depth * (kernel_fra"),
        ({"model": "lighthart", "segment_length": 25}, "segment_length % patch_frames == 0"),
        ({"model": "lighthart", "segment_length": 24, "channels": 12}, "channels % heads == 0"),
        ({"model": "inertialconv", "segment_length": 6}, "segment_length >= 7"),
        ({"model": "factorised", "segment_length": 24, "heads": 1}, "heads % 2 == 0; heads is 1"),
        ({"model": "uniformer", "segment_length": 1}, "segment_length >= frames"),
        ({"model": "echogcn", "segment_length": 24, "width": 30}, "width % 4 == 0; width is 30"),
        ({"model": "echogcn", "segment_length": 24, "neighbours": 6}, "neighbours <= 5"),
        ({"model": "hsacts", "segment_length": 24, "head_width": 6}, "head_width % 4 == 0"),
        ({"model": "stgcn", "segment_length": 24, "kernel_frames": 4}, "kernel_frames % 2 == 1"),
        ({"model": "ctrgcn", "segment_length": 24, "kernel_frames": 4}, "kernel_frames % 2 == 1"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_a_model_are_refused(run, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        build_model(run, 3)


@pytest.mark.parametrize(("branches", "joints"), [("limbs", 17), ("parts", 17)])
def test_every_joint_is_in_one_branch(branches, joints):
    model = LimbCNN(classes=3, branches=branches)
    assert sorted(joint for members in model.members for joint in members) == list(range(joints))


def test_noise_has_its_deviation():
    added = noisy(torch.zeros(20, 24, 34), 0.01)
    assert added.std().item() == pytest.approx(0.01, rel=0.05)


def test_a_rotation_keeps_distances_the_mean_and_missing_joints():
    torch.manual_seed(0)
    joints = 100 * torch.rand(4, 6, 17, 2, dtype=torch.float64)
    joints[:, 2, 3] = 0
    turned = rotated(joints.flatten(-2), 30).unflatten(-1, (-1, 2))
    assert (turned[:, 2, 3] == 0).all()
    there = torch.ones(6 * 17, dtype=torch.bool)
    there[2 * 17 + 3] = False
    before, after = joints.flatten(1, 2)[:, there], turned.flatten(1, 2)[:, there]
    torch.testing.assert_close(torch.cdist(after, after), torch.cdist(before, before),
                               rtol=1e-5, atol=1e-4)  # fmt: skip
    torch.testing.assert_close(after.mean(1), before.mean(1), rtol=1e-5, atol=1e-4)
    assert (after - before).abs().max() > 1


def test_a_share_of_the_segments_misses_one_part():
    torch.manual_seed(0)
    joints = without_a_part(torch.ones(1000, 2, 34), COCO_17, 0.5).unflatten(-1, (-1, 2))
    missing = (joints == 0).all(dim=(1, 3))
    cut = missing.any(dim=1)
    assert 430 < cut.sum() < 570
    parts = [set(members) for members in COCO_17.members.values()]
    found = [set(row.nonzero().flatten().tolist()) for row in missing[cut]]
    assert all(row in parts for row in found)
    assert all(part in found for part in parts)


@pytest.mark.parametrize(
    ("attention", "seen"),
    [(_OverParts, "same time"), (_OverTime, "same part"), (_HalfTheHeads, "same time or part")],
)
def test_factorised_attention_sees_parts_of_one_time_and_times_of_one_part(attention, seen):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 6, 16, requires_grad=True)
    attention(16, 4)(x)[1, 3, 2].sum().backward()
    found = x.grad.abs().sum(-1) > 0
    expected = torch.zeros(2, 5, 6, dtype=torch.bool)
    if "time" in seen:
        expected[1, :, 2] = True
    if "part" in seen:
        expected[1, 3] = True
    assert torch.equal(found, expected)


def test_a_shared_transformer_sees_one_part_at_a_time():
    torch.manual_seed(0)
    model = BPTShared(classes=3, depth=1)
    x = torch.randn(5, 2, 12, 32, requires_grad=True)
    model.tubelet_transformers(x)[3, 1].sum().backward()
    found = x.grad.abs().sum((-1, -2)) > 0
    assert found.nonzero().tolist() == [[3, 1]]
    own = sum(p.numel() for p in BPTubeFormer(classes=3, depth=1).tubelet_transformers.parameters())
    assert own == 5 * sum(p.numel() for p in model.tubelet_transformers.parameters())


LEVELS = {
    "mid-hip": [["mid-hip"], ["neck", "left hip", "right hip"],
                ["nose", "left shoulder", "right shoulder", "left knee", "right knee"],
                ["left eye", "right eye", "left elbow", "right elbow", "left ankle", "right ankle"],
                ["left ear", "right ear", "left wrist", "right wrist"]],
    "neck": [["neck"], ["nose", "left shoulder", "right shoulder", "mid-hip"],
             ["left eye", "right eye", "left elbow", "right elbow", "left hip", "right hip"],
             ["left ear", "right ear", "left wrist", "right wrist", "left knee", "right knee"],
             ["left ankle", "right ankle"]],
}  # fmt: skip


@pytest.mark.parametrize("centre", LEVELS)
def test_the_echo_graph_joins_each_level_to_the_next_and_the_last_to_all(centre):
    levels = [*LEVELS[centre], OF_ECHO, OF_ECHO]
    members, graph = _echo_graph(centre)
    assert len(members) == len(graph) == len(levels) - 1
    for branch, (near, far) in enumerate(pairwise(levels)):
        near, far = (np.isin(OF_ECHO, level) for level in (near, far))
        assert np.array_equal(members[branch] > 0, near | far)
        for subset, edges in zip(
            graph[branch], [np.diag(near | far), np.outer(near, far), np.outer(far, near)],
            strict=True,
        ):  # fmt: skip
            assert np.array_equal(subset > 0, edges)
            assert set(subset.sum(axis=0).round(5)) <= {0, 1}


def test_a_neck_with_one_shoulder_is_where_that_shoulder_is():
    model = EchoGCN(classes=3).eval()
    seen = []
    model.norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    joints = 100 * torch.rand(2, 24, 17, 2) + 1
    joints[1, :, JOINTS["left shoulder"]] = 0
    model(joints.flatten(2))
    places = seen[0].unflatten(-1, (-1, 2))
    left, right = joints[:, :, JOINTS["left shoulder"]], joints[:, :, JOINTS["right shoulder"]]
    neck = places[:, :, OF_ECHO.index("neck")]
    torch.testing.assert_close(neck[0], (left[0] + right[0]) / 2)
    torch.testing.assert_close(neck[1], right[1])
    assert torch.equal(places[:, :, OF_ECHO.index("nose")], joints[:, :, JOINTS["nose"]])


def test_similar_points_are_averaged_without_the_point_itself():
    points = torch.tensor([[0.0, 1, 10, 12, 13.5]])
    expected = torch.tensor([[5.5, 5, 12.75, 11.75, 11]])
    assert torch.equal(_Similar(2)(points), torch.cat([expected, points]))


def test_hyperedges_are_the_parts_and_both_sides():
    edges = [{COCO_17.joints[j] for j in edge.nonzero()[0]} for edge in _hyperedges(COCO_17).T]
    assert edges[3] == {"left knee", "right knee"}
    assert len(edges) == 7
    for side, edge in zip(("left", "right"), edges[5:], strict=True):
        assert edge == {joint for joint in COCO_17.joints if joint.startswith(side)}


def test_distances_are_steps_within_edges():
    edges = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert _distances(edges).tolist() == [
        [0, 1, 1, 2, -1], [1, 0, 1, 1, -1], [1, 1, 0, 1, -1], [2, 1, 1, 0, -1],
        [-1, -1, -1, -1, 0],
    ]  # fmt: skip


def test_attention_with_hyperedges_is_that_of_its_formula():
    torch.manual_seed(0)
    edges = _hyperedges(COCO_17)
    steps, shared = _distances(edges), torch.tensor(_normalised(edges))
    layer = _HypergraphAttention(18, edges, steps, shared)
    for parameter in (layer.centrality, layer.closeness, layer.importance):
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 18, 1, 17)
    # Degrees are 1 for the nose, 2 for all others.
    tokens = (x[0, :, 0] + layer.centrality[:, 0, [0] + 16 * [1]]).T
    q, k, v = (tokens @ layer.mapping.weight[..., 0, 0].T + layer.mapping.bias).split(18, dim=1)
    of_edges = layer.mapping_of_edges
    e = shared @ (x[0, :, 0].T @ of_edges.weight[..., 0, 0].T + of_edges.bias)
    for head in range(9):
        of_head = slice(2 * head, 2 * head + 2)
        own, keys, values, of_edges = (part[:, of_head] for part in (q, k, v, e))
        scores = own @ keys.T + own @ of_edges.T + layer.importance[head] @ of_edges.T
        weights = (scores / 2**0.5 + layer.closeness[torch.tensor(steps)]).softmax(dim=1)
        torch.testing.assert_close(layer(x)[0, of_head, 0].T, weights @ values)
