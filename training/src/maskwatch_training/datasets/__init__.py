"""Labelled photos: read, brought into one form, merged, split."""
