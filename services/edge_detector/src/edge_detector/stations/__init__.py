"""One station a camera: it reads, watches over what it reads, and hands on the newest frame."""
