"""Scoring: which output belongs to which clean image, and how near it is."""
