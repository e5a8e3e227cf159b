"""Maskwatch's messages: schemas, their generated code, and two contracts, which validate."""
