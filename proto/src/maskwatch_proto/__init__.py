"""Maskwatch's messages: the schema, its generated code, and `contract`, which validates."""
