"""`make eval`: our models beside the peers, on photos that no training has seen."""
