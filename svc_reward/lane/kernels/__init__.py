"""Judges Triton kernels: what a completion says, what its kernels do, whether they compile."""
