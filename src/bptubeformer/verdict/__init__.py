"""Floor 4: a verdict on every claim of the paper, from what a run of the workflow computed."""
