"""The three servers as a careful operator runs them: TLS, logins, and rights for each service."""
