"""Models and what they see: faces in a frame, and what each wears."""
