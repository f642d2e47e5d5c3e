"""Floor 4: functions from arrays to matplotlib figures; the notebooks call them."""
