"""Publishes the alerts of a device's outbox to Kafka."""
