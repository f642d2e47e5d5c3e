"""Floor 3: from trained models to predictions, metrics and tables."""
