"""Floor 2: from trained models to predictions, metrics and tables."""
