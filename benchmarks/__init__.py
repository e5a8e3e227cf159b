"""What Maskwatch costs, beside the bare clients, in one run. `python -m benchmarks --help`."""
