"""Floor 2: the training loop and the device it runs on."""
