"""Files as each pose estimator writes them, of people whose joints are known."""

import json
import pickle

import numpy as np

from bptubeformer.data.formats.csv_wide import BARE
from bptubeformer.data.joints import AZURE_32, COCO_18
from bptubeformer.skeleton import load_skeleton

TRACKED = {"alphapose", "tracked-person", "ultralytics-tracked", "ultralytics-json", "ntu", "pyskl",
           "mediapipe-npy", "kinect-v1", "kinect-azure", "csv-wide", "csv-long", "csv-wide-bare",
           "coco-annotations"}  # fmt: skip
"""Writers whose files say who is who."""


def with_score(joints, score=0.9):
    """x, y, score of each joint, one after the other; a missing joint is 0, 0, 0."""
    scores = np.where(np.isnan(joints[:, :1]), 0.0, score)
    return np.nan_to_num(np.concatenate([joints, scores], axis=1)).ravel().tolist()


def people_of(poses, frame):
    """Number and joints of everybody in a frame; the order changes from frame to frame."""
    found = [(i, poses[frame, i]) for i in range(poses.shape[1])]
    found = [(i, joints) for i, joints in found if np.isfinite(joints).any()]
    return found[::-1] if frame % 2 else found


def alphapose(folder, poses, tracked=True):
    entries = [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": with_score(joints),
         "score": 2.9, "box": [1, 2, 3, 4], "idx": i + 1 if tracked else [0.0]}
        for frame in range(len(poses)) for i, joints in people_of(poses, frame)
    ]  # fmt: skip
    (folder / "alphapose-results.json").write_text(json.dumps(entries))


def alphapose_open(folder, poses):
    images = {
        f"{frame}.jpg": {"version": "AlphaPose v0.3", "people": [
            {"pose_keypoints_2d": with_score(joints)} for _, joints in people_of(poses, frame)]}
        for frame in range(len(poses))
    }  # fmt: skip
    (folder / "alphapose-results.json").write_text(json.dumps(images))


def tracked_person(folder, poses):
    people = {}
    for frame in range(len(poses)):
        for i, joints in people_of(poses, frame):
            entry = {"keypoints": with_score(joints), "scores": None}
            people.setdefault(str(i + 1), {})[f"{frame:04d}"] = entry
    (folder / "01_0014_alphapose_tracked_person.json").write_text(json.dumps(people))


def openpose(folder, poses):
    for frame in range(len(poses)):
        people = [{"person_id": [-1], "pose_keypoints_2d": with_score(joints)}
                  for _, joints in people_of(poses, frame)]  # fmt: skip
        if frame == 2:
            people += [{}, {"person_id": [-1], "pose_keypoints_2d": []}]
        path = folder / f"a walk_{frame:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))


SIZE = np.array([1920, 1080])


def ultralytics(folder, poses, tracked=False):
    (folder / "labels").mkdir()
    for frame in range(len(poses)):
        rows = []
        for i, joints in people_of(poses, frame):
            numbers = with_score(joints / SIZE)
            row = [0, 0.5, 0.5, 0.1, 0.2, *numbers, *([i + 1] if tracked else [])]
            rows.append(" ".join(f"{value:.9g}" for value in row))
        if rows:  # a frame without people has no file
            (folder / "labels" / f"walk_{frame + 1}.txt").write_text("\n".join(rows) + "\n")


def ultralytics_json(folder, poses):
    for frame in range(len(poses)):
        people = [
            {"name": "person", "confidence": 0.9, "box": {"x1": 1.0}, "track_id": i + 1,
             "keypoints": {"x": np.nan_to_num(joints[:, 0]).tolist(),
                           "y": np.nan_to_num(joints[:, 1]).tolist(),
                           "visible": [0.9] * len(joints)}}
            for i, joints in people_of(poses, frame)
        ]  # fmt: skip
        (folder / f"walk_{frame}.json").write_text(json.dumps(people))


def mmpose(folder, poses, names=None):
    frames = [
        {"frame_id": frame + (names is not None), "instances": [
            {"keypoints": np.nan_to_num(joints).tolist(), "keypoint_scores": [0.9] * len(joints),
             "bbox": [[1, 2, 3, 4]]} for _, joints in people_of(poses, frame)]}
        for frame in range(len(poses))
    ]  # fmt: skip
    content = frames
    if names is not None:
        about = {str(i): name.replace(" ", "_") for i, name in enumerate(names)}
        content = {"meta_info": {"keypoint_id2name": about}, "instance_info": frames}
    (folder / "walk.json").write_text(json.dumps(content))


def coco_results(folder, poses):
    entries = [
        {"image_id": frame, "category_id": 1, "keypoints": with_score(joints, 0), "score": 0.9}
        for frame in range(len(poses)) for _, joints in people_of(poses, frame)
    ]  # fmt: skip
    (folder / "results.json").write_text(json.dumps(entries))


def coco_annotations(folder, poses):
    names = load_skeleton("coco-17").joints
    content = {
        "images": [{"id": 100 + f, "file_name": f"walk/{f:06d}.jpg"} for f in range(len(poses))],
        "categories": [{"name": "person", "keypoints": [n.replace(" ", "_") for n in names]}],
        "annotations": [
            {"image_id": 100 + f, "track_id": i + 1, "keypoints": with_score(joints, 2)}
            for f in range(len(poses)) for i, joints in people_of(poses, f)
        ],
    }  # fmt: skip
    (folder / "walk.json").write_text(json.dumps(content))


def mediapipe_npy(folder, poses):
    for frame in range(len(poses)):
        whole = np.zeros(1662)
        joints = poses[frame, 0] / SIZE
        if np.isfinite(joints).any():
            whole[:132] = np.nan_to_num(np.hstack([joints, np.ones((33, 2))])).ravel()
        np.save(folder / f"{frame}.npy", whole)


def ntu(folder, poses):
    lines = [len(poses)]
    for frame in range(len(poses)):
        people = people_of(poses, frame)
        lines.append(len(people))
        for i, joints in people:
            lines += [f"7205759403793110{i} 0 1 1 1 1 0 0.02 -0.1 2", 25]
            for x, y in joints:
                place = "0 0" if np.isnan(x) else f"{x:.9g} {y:.9g}"
                state = 0 if np.isnan(x) else 2
                lines.append(f"0.2 0.1 3.7 277.4 191.8 {place} -0.2 0.01 0.9 0.02 {state}")
    (folder / "S008C003P029R002A057.skeleton").write_text("\n".join(map(str, lines)) + "\n")


def kinetics(folder, poses):
    frames = [
        {"frame_index": frame, "skeleton": [
            {"pose": np.nan_to_num(joints / SIZE).ravel().tolist(), "score": [0.9] * 18}
            for _, joints in people_of(poses, frame)]}
        for frame in range(len(poses))
    ]  # fmt: skip
    content = {"data": frames, "label": "walking", "label_index": 3}
    (folder / "clip.json").write_text(json.dumps(content))


def before_a_camera(joints, sign):
    """Metres, 3 m away, of pixels of the nominal camera of a Kinect; 0 for a missing joint."""
    x, y = ((joints[:, axis] - centre) * 3 / 571.26 for axis, centre in ((0, 320), (1, 240)))
    return np.nan_to_num(np.stack([x, sign * y, np.where(np.isnan(x), 0, 3.0)], axis=1))


def kinect_v1(folder, poses):
    header = ("HipCenter; Spine; ShoulderCenter; Head; ShoulderLeft; ElbowLeft; WristLeft; "
              "HandLeft; "
              "ShoulderRight; ElbowRight; WristRight; HandRight; HipLeft; KneeLeft; AnkleLeft; "
              "FootLeft; HipRight; KneeRight; AnkleRight; FootRight")  # fmt: skip
    lines = [header]
    for frame in range(len(poses)):
        points = before_a_camera(poses[frame, 0], -1)
        cells = [" ".join(f"{value:.9g}" for value in point) for point in points]
        lines.append(";".join([*cells, "7"]))
    (folder / "Seq1_10.csv").write_text("\n".join(lines) + "\n")


def kinect_azure(folder, poses):
    points = [1000 * before_a_camera(poses[frame, 0], 1) for frame in range(len(poses))]
    lines = [",".join(f"{value:.9g}" for value in point.ravel()) for point in points]
    (folder / "S29A03T02.csv").write_text("\n".join(lines) + "\n")


def csv_wide(folder, poses):
    names = load_skeleton("mediapipe-33").joints
    upper = [name.upper().replace(" ", "_") for name in names]
    lines = [",".join(["frame", "person", *(f"{n}_{axis}" for n in upper for axis in "xyz")])]
    for frame in range(len(poses)):
        for i, joints in people_of(poses, frame):
            cells = [f"{x:.9g},{y:.9g},1" if x == x else "nan,,0" for x, y in joints]
            lines += [f"{frame},{i + 1},{','.join(cells)}", ""]  # a blank line after every row
    (folder / "walk.csv").write_text("\n".join(lines) + "\n")


def csv_bare(folder, poses):
    rows = [np.hstack([poses[f, 0] / SIZE, np.ones((33, 2))]).ravel() for f in range(len(poses))]
    assert {len(row) for row in rows} == {BARE}
    lines = [",".join(f"{value:.9g}" for value in np.nan_to_num(row)) for row in rows]
    (folder / "walk.csv").write_text("\n".join(lines) + "\n")


def csv_long(folder, poses):
    lines = ["Frame,LandmarkID,Person,X,Y"]
    for frame in range(len(poses)):
        for i, joints in people_of(poses, frame):
            for joint, (x, y) in enumerate(np.nan_to_num(joints)):
                lines.append(f"{frame},{joint},{i + 1},{x:.9g},{y:.9g}")
    (folder / "walk.csv").write_text("\n".join(lines) + "\n")


def pyskl(folder, poses):
    keypoint = np.nan_to_num(poses).transpose(1, 0, 2, 3).astype(np.float16)
    one = {
        "frame_dir": "walk",
        "total_frames": len(poses),
        "img_shape": (1080, 1920),
        "label": 3,
        "keypoint": keypoint,
        "keypoint_score": np.ones(keypoint.shape[:3], np.float16),
    }
    content = {"split": {"train": ["walk"]}, "annotations": [one]}
    (folder / "all.pkl").write_bytes(pickle.dumps(content))


WRITERS = {
    "alphapose": (alphapose, load_skeleton("coco-17").joints),
    "alphapose-untracked": (lambda f, p: alphapose(f, p, False), load_skeleton("halpe-26").joints),
    "alphapose-open": (alphapose_open, COCO_18),
    "tracked-person": (tracked_person, load_skeleton("coco-17").joints),
    "openpose": (openpose, load_skeleton("openpose-25").joints),
    "openpose-18": (openpose, COCO_18),
    "ultralytics": (ultralytics, load_skeleton("coco-17").joints),
    "ultralytics-tracked": (lambda f, p: ultralytics(f, p, True), load_skeleton("coco-17").joints),
    "ultralytics-json": (ultralytics_json, load_skeleton("coco-17").joints),
    "mmpose": (mmpose, load_skeleton("coco-17").joints),
    "mmpose-demo": (lambda f, p: mmpose(f, p, load_skeleton("halpe-26").joints),
                    load_skeleton("halpe-26").joints),
    "coco": (coco_results, load_skeleton("coco-17").joints),
    "coco-annotations": (coco_annotations, load_skeleton("coco-17").joints),
    "mediapipe-npy": (mediapipe_npy, load_skeleton("mediapipe-33").joints),
    "ntu": (ntu, load_skeleton("ntu-25").joints),
    "kinetics": (kinetics, COCO_18),
    "kinect-v1": (kinect_v1, load_skeleton("kinect-20").joints),
    "kinect-azure": (kinect_azure, AZURE_32),
    "csv-wide": (csv_wide, load_skeleton("mediapipe-33").joints),
    "csv-wide-bare": (csv_bare, load_skeleton("mediapipe-33").joints),
    "csv-long": (csv_long, load_skeleton("mediapipe-33").joints),
    "pyskl": (pyskl, load_skeleton("coco-17").joints),
}  # fmt: skip
"""Writer, and its joints, by a name that begins with that of the format."""
ALONE = {"mediapipe-npy", "kinect-v1", "kinect-azure", "csv-wide-bare"}
"""Writers of one person."""
NORMALISED = {"ultralytics", "ultralytics-tracked", "mediapipe-npy", "kinetics", "csv-wide-bare"}
