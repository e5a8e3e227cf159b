"""The device's durable queue: one SQLite file between the detector and the dispatcher."""
