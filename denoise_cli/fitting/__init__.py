"""Fits of a net to a single image: when they stop, and what is kept of them. Methods use it, it knows none."""
