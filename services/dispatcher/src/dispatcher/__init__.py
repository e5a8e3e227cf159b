"""Publishes the alerts and events of a device's outbox to Kafka."""
