"""The mask classifier of face crops, and its 96x96 form for microcontrollers."""
