"""A finished run to be handed on, and what a received one is worth."""
