"""The study: backbones compared on the same faces by the same training."""
