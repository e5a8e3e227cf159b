"""What every service stands on. No business rule lives here."""
