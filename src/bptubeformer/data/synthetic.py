"""The demonstration dataset: articulated 17-joint walkers in HR-Crime's layout.

Thirteen classes of movement, named as HR-Crime's categories so that every part of the workflow
shows what it will show on the real data, with the defects of real trajectories. Classes differ in
posture, place and size, so that small models learn them in few steps. Nothing measured on it says
anything about crime.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bptubeformer.data.manifest import write_manifest
from bptubeformer.errors import naming
from bptubeformer.kinds import Seed, Size
from bptubeformer.locks import alone_in
from bptubeformer.skeleton import COCO_17

FRAME_RATE_HZ = 30
WIDTH_PX, HEIGHT_PX = 320, 240
"""Size of a frame of UCF-Crime, from which HR-Crime's skeletons were extracted."""

MISSING_JOINT = 0.02
"""Share of joints the detector misses; they are written 0,0."""
FRAME_GAP = 0.02
"""Chance a row that the tracker loses the person for one to five frames."""
SHORT_TRAJECTORY = 0.12
"""Share of trajectories with fewer rows than one segment."""
JITTER_PX = 0.8

PACE_PX = 30
"""Length of the way on which people walk to and fro."""


@dataclass(frozen=True)
class Swing:
    """An angle that swings about a mean, in degrees; 0 hangs straight down, forward is positive."""

    mean: float = 0.0
    amplitude: float = 0.0


@dataclass(frozen=True)
class Movement:
    """The place of a class in the picture, and the parts that move: their angles and speeds."""

    videos: int
    """Videos of this class: the classes are as imbalanced as the data they stand for."""
    across: float
    """Place of the person, in picture widths from the left; people face the middle."""
    ground: float
    """Height of the feet, in picture heights from the top."""
    height: float
    """Of the body, in picture heights: how near the camera is."""
    lean: Swing = Swing(4, 2)
    shoulder: Swing = Swing(0, 15)
    elbow: Swing = Swing(15, 5)
    arm_hz: float = 1.0
    arms: str = "alternate"
    """``alternate``, ``together``, or ``right``: the left arm then hangs."""
    hip: Swing = Swing(0, 15)
    knee: Swing = Swing(15, 12)
    leg_hz: float = 1.0
    speed: float = 0.0
    """Body heights a second."""
    drop: float = 0.0
    """How far the hips stand below their height, in body heights."""


MOVEMENTS: dict[str, Movement] = {
    "Abuse": Movement(
        videos=12, across=0.39, ground=0.97, height=0.38, shoulder=Swing(80, 55),
        elbow=Swing(40, 30), arm_hz=2.2, arms="right", hip=Swing(0, 3), lean=Swing(30, 8),
    ),
    "Arrest": Movement(
        videos=14, across=0.42, ground=0.70, height=0.91, shoulder=Swing(150, 6),
        elbow=Swing(110, 5), arms="together", arm_hz=0.6, lean=Swing(-5, 4), drop=0.24,
        hip=Swing(0, 4), knee=Swing(90, 4), leg_hz=0.5,
    ),
    "Arson": Movement(
        videos=8, across=0.53, ground=0.75, height=0.95, lean=Swing(35, 5), drop=0.2,
        hip=Swing(75, 4), knee=Swing(120, 4), shoulder=Swing(50, 12), elbow=Swing(10, 8),
        arm_hz=1.2, arms="right", leg_hz=0.3,
    ),
    "Assault": Movement(
        videos=14, across=0.12, ground=0.97, height=0.38, lean=Swing(-20, 6), hip=Swing(30, 55),
        knee=Swing(35, 35), leg_hz=1.8, shoulder=Swing(45, 20), elbow=Swing(90, 15), arm_hz=1.8,
    ),
    "Burglary": Movement(
        videos=14, across=0.13, ground=0.91, height=0.91, lean=Swing(40, 3), drop=0.12,
        hip=Swing(35, 25), knee=Swing(60, 20), leg_hz=1.0, speed=0.35, shoulder=Swing(20, 10),
        elbow=Swing(60, 5),
    ),
    "Explosion": Movement(
        videos=8, across=0.84, ground=0.62, height=0.38, lean=Swing(-25, 15),
        shoulder=Swing(150, 35), elbow=Swing(10, 20), arm_hz=1.0, arms="together",
        hip=Swing(0, 30), knee=Swing(40, 40), leg_hz=3.0, speed=0.5,
    ),
    "Fighting": Movement(
        videos=18, across=0.87, ground=0.42, height=0.44, lean=Swing(25, 4), shoulder=Swing(65, 35),
        elbow=Swing(75, 55), arm_hz=3.2, hip=Swing(10, 12), knee=Swing(25, 10), leg_hz=2.0,
    ),
    "RoadAccidents": Movement(
        videos=9, across=0.53, ground=0.72, height=0.95, lean=Swing(85, 6), drop=0.42,
        hip=Swing(-80, 8), knee=Swing(15, 8), shoulder=Swing(60, 12), elbow=Swing(20, 10),
        arm_hz=0.7, leg_hz=0.7,
    ),
    "Robbery": Movement(
        videos=18, across=0.17, ground=0.90, height=0.92, shoulder=Swing(88, 4), elbow=Swing(0, 4),
        arms="right", arm_hz=0.8, hip=Swing(0, 4), leg_hz=0.6,
    ),
    "Shooting": Movement(
        videos=11, across=0.46, ground=0.80, height=0.38, shoulder=Swing(88, 12),
        elbow=Swing(5, 14), arms="together", arm_hz=3.0, lean=Swing(-12, 4), hip=Swing(12, 3),
        leg_hz=0.6,
    ),
    "Shoplifting": Movement(
        videos=16, across=0.63, ground=0.92, height=0.95, lean=Swing(15, 10),
        shoulder=Swing(60, 30), elbow=Swing(40, 30), arms="right", arm_hz=0.9, hip=Swing(0, 18),
        knee=Swing(15, 12), leg_hz=1.0, speed=0.3,
    ),
    "Stealing": Movement(
        videos=14, across=0.29, ground=0.86, height=0.95, lean=Swing(35, 4),
        shoulder=Swing(0, 50), elbow=Swing(80, 10), arm_hz=2.6, hip=Swing(5, 45),
        knee=Swing(50, 40), leg_hz=2.6, speed=0.5,
    ),
    "Vandalism": Movement(
        videos=10, across=0.13, ground=0.97, height=0.65, shoulder=Swing(120, 60),
        elbow=Swing(15, 15), arms="together", arm_hz=1.3, lean=Swing(12, 20), hip=Swing(8, 4),
        leg_hz=0.6,
    ),
}  # fmt: skip
"""Thirteen movements under HR-Crime's category names."""

TORSO, HEAD, UPPER_ARM, FOREARM, THIGH, SHANK = 0.30, 0.12, 0.17, 0.15, 0.24, 0.24
SHOULDER_WIDTH, HIP_WIDTH = 0.10, 0.07
"""Lengths in body heights."""


def write_synthetic(folder: Path, output: Path, seed: Seed = 0, size: Size = 1.0) -> None:
    """Make the demonstration dataset, in HR-Crime's layout.

    Args:
        folder: where the dataset goes.
        output: manifest (JSON) of its files.
        seed: of all randomness.
        size: factor on the number of videos.
    """
    with alone_in(folder, "makes this dataset"), naming(folder):
        write_dataset(folder, seed=seed, size=size)
    write_manifest(output, f"synthetic, seed {seed}, size {size}", [folder])


def write_dataset(folder: Path, *, seed: int = 0, size: float = 1.0) -> int:
    """Write the dataset below ``folder``; the same seed and size give the same bytes.

    Args:
        folder: becomes ``<folder>/Trajectories/<Category>/<Video>/<person>.csv``; what stood
            there is replaced.
        seed: of all randomness.
        size: factor on the number of videos of each class; at least three are made.

    Returns:
        Number of trajectories.
    """
    root = folder / "Trajectories"
    shutil.rmtree(root, ignore_errors=True)
    generator = np.random.default_rng(seed)
    count = 0
    for category, movement in MOVEMENTS.items():
        for number in range(1, max(3, round(size * movement.videos)) + 1):
            video = root / category / f"{category}{number:03d}"
            video.mkdir(parents=True)
            for person, (frames, joints) in enumerate(_video(movement, generator), start=1):
                with (video / f"{person:04d}.csv").open("w", encoding="ascii") as file:
                    for frame, row in zip(frames, joints.reshape(len(frames), -1), strict=True):
                        file.write(f"{frame},{','.join(f'{value:.2f}' for value in row)}\n")
                count += 1
    return count


def _video(
    movement: Movement, generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frame numbers (rows,) and joints (rows, 17, 2) of each person of one video."""
    height = movement.height * generator.uniform(0.95, 1.05) * HEIGHT_PX
    view = generator.uniform(0.3, 1.0)
    ground = (movement.ground + generator.uniform(-0.02, 0.02)) * HEIGHT_PX
    for _ in range(generator.integers(1, 4)):
        short = generator.random() < SHORT_TRAJECTORY
        rows = int(generator.integers(8, 24) if short else generator.integers(30, 150))
        gaps = np.where(generator.random(rows) < FRAME_GAP, generator.integers(1, 6, size=rows), 0)
        frames = generator.integers(0, 400) + np.cumsum(1 + gaps)
        joints = _walk(movement, frames - frames[0], height, view, ground, generator)
        joints += generator.normal(0, JITTER_PX, joints.shape)
        joints[generator.random(joints.shape[:2]) < MISSING_JOINT] = 0
        yield frames, joints


def _walk(
    movement: Movement,
    frames: np.ndarray,
    height: float,
    view: float,
    ground: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Joints (rows, 17, 2), in pixels, of one person who moves as ``movement`` says."""
    tempo = generator.uniform(0.85, 1.15)
    vigour = generator.uniform(0.8, 1.2)
    height = height * generator.uniform(0.95, 1.05)
    facing = 1 if movement.across < 0.5 else -1
    first = generator.choice([-1, 1])
    start = (movement.across + generator.uniform(-0.04, 0.04)) * WIDTH_PX
    depth = generator.uniform(-0.02, 0.02) * HEIGHT_PX
    phase_arm, phase_leg = generator.uniform(0, 2 * np.pi, size=2)
    seconds = frames / FRAME_RATE_HZ

    def angle(swing: Swing, hertz: float, phase: float) -> np.ndarray:
        wave = np.sin(2 * np.pi * hertz * tempo * seconds + phase)
        return np.radians(swing.mean + vigour * swing.amplitude * wave)

    def step(origin: np.ndarray, length: float, direction: np.ndarray) -> np.ndarray:
        offset = np.stack([facing * np.sin(direction), np.cos(direction)], axis=-1)
        return origin + height * length * offset

    # The walker paces to and fro about the place of the class.
    turns = movement.speed * tempo * height * seconds / PACE_PX
    way = start + first * PACE_PX * (np.abs((turns + 0.5) % 2 - 1) - 0.5)
    hip_height = height * (THIGH + SHANK - movement.drop)
    hips = np.stack([way, np.full(len(frames), ground + depth - hip_height)], axis=-1)
    lean = angle(movement.lean, movement.leg_hz, phase_leg)
    neck = step(hips, TORSO, np.pi - lean)

    joints = np.zeros((len(frames), len(COCO_17.joints), 2))
    nose = step(neck, HEAD, np.pi - lean)
    joints[:, 0] = nose + height * np.array([0.03 * facing, 0.0])
    for joint, ahead, above in ((1, 0.02, 0.015), (2, 0.01, 0.015), (3, -0.02, 0), (4, -0.03, 0)):
        joints[:, joint] = nose + height * np.array([ahead * facing, -above])
    for side, sign in enumerate((1, -1)):  # left, right
        behind = np.pi if side else 0.0
        across = np.array([sign * view * height, 0.0])
        arm_phase = phase_arm + (behind if movement.arms == "alternate" else 0.0)
        at_rest = movement.arms == "right" and side == 0
        shoulder = angle(Swing(5, 4) if at_rest else movement.shoulder, movement.arm_hz, arm_phase)
        elbow = angle(Swing(10, 3) if at_rest else movement.elbow, movement.arm_hz, arm_phase + 0.6)
        joints[:, 5 + side] = neck + SHOULDER_WIDTH * across
        joints[:, 7 + side] = step(joints[:, 5 + side], UPPER_ARM, shoulder)
        joints[:, 9 + side] = step(joints[:, 7 + side], FOREARM, shoulder + elbow)
        hip = angle(movement.hip, movement.leg_hz, phase_leg + behind)
        knee = angle(movement.knee, movement.leg_hz, phase_leg + behind + 0.6)
        joints[:, 11 + side] = hips + HIP_WIDTH * across
        joints[:, 13 + side] = step(joints[:, 11 + side], THIGH, hip)
        joints[:, 15 + side] = step(joints[:, 13 + side], SHANK, hip - knee)
    return joints
