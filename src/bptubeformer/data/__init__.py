"""Floor 1: from a source of trajectories to windows and splits."""
