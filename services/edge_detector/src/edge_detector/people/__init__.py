"""Who is in view, and what is to be said about them."""
