"""Results of microcontrollers into the same alerts and compliance numbers as a camera's."""
