"""Attacks by topic."""
