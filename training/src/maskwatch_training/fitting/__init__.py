"""A training run of any network: its schedule, optimiser, average, checkpoints and loop."""
