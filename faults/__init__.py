"""What the fault suite stands on; see "The fault suite" in docs/architecture.md."""
