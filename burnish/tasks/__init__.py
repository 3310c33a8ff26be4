"""Kernel tasks: PyTorch models to rewrite in Triton, where they come from and how well it went."""

from burnish.tasks.kernelbench import Import, Skipped, read
from burnish.tasks.task import KernelTask, Unusable, examine

__all__ = ["Import", "KernelTask", "Skipped", "Unusable", "examine", "read"]
