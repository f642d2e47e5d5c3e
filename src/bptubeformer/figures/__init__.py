"""Floor 3: functions from arrays to matplotlib figures; the notebooks call them."""
