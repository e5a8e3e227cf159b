"""Ingress beside Debezium's JDBC sink connector on Kafka Connect."""
