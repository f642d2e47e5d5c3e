"""The stage that reads all trajectories into one frame store."""

from pathlib import Path

from bptubeformer.atomic import write_csv
from bptubeformer.data.acquire import manifest_folders
from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import check_rejected, ingest
from bptubeformer.kinds import Count, Share
from bptubeformer.skeleton import load_skeleton


def write_store(
    manifest: Path,
    output: Path,
    categories: list[str] | None = None,
    skeleton: str = "coco-17",
    max_rejected: Share = 0.01,
    threads: Count = 1,
) -> None:
    """Read all trajectories into one frame store.

    Args:
        manifest: written by acquire or synthetic.
        output: frame store (safetensors); rejected.csv is written to its folder.
        categories: class names; [] or left out: read from the folders.
        skeleton: whose joints a frame has: a name, or a YAML file.
        max_rejected: largest share of files that are not trajectories.
        threads: files that are read at a time.

    Raises:
        InputError: too many files are not trajectories, or a category has none.
    """
    layout = find_trajectories(manifest_folders(manifest), categories or None)
    store, rejected = ingest(layout, threads, load_skeleton(skeleton))
    # Also where the store is refused: the list says what to mend.
    listed = output.with_name("rejected.csv")
    write_csv(listed, rejected)
    for row in rejected.head(5).itertuples():
        print(f"rejected: {row.file}: {row.reason}")
    if len(rejected):
        print(f"{len(rejected)} files rejected, listed in {listed}")
    check_rejected(rejected, store, max_rejected)
    store.save(output)
    print(
        f"{len(layout.categories)} categories, {len(store.rows)} trajectories, "
        f"{len(store.frames)} frames, {store.empty_frames} of them without any joint"
    )
    for reason, count in layout.passed_over.items():
        print(f"passed over: {count} {reason}")
    if layout.left_out:
        print(
            f"left out as normal videos: {', '.join(layout.left_out)} (list the categories in "
            "config.yaml to have them as a class)"
        )
