"""The face detector with the mask judged in the same pass."""
