"""Burnish: self-hosted reinforcement fine-tuning."""

__version__ = "0.1.0"
