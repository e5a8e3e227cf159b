"""Trains, measures and exports the models that Maskwatch runs at the edge."""
