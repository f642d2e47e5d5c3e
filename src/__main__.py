"""``python src <stage>``: run a stage from a checkout, in any environment, without installing."""

from bptubeformer.cli import main

if __name__ == "__main__":
    main()
