"""Onward: every event to a cloud as well, by HTTP or MQTT, from a queue of its own."""
