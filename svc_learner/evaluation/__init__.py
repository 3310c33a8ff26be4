"""Held-out rows: how they are answered, what it came to, which adapter is the best."""
