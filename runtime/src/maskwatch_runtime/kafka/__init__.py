"""Kafka: messages, a publisher that survives the broker, a consumer that commits by hand."""
