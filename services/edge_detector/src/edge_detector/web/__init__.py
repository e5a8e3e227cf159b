"""What the detector answers by HTTP: `/predict/`, `/v1/predict` and the live page."""
