"""The classes of a face, in the order of every model's class output."""

LABELS = ("mask", "no_mask", "bad_mask")
