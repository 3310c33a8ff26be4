"""What computes: a frozen base, adapters on it, and gradients of packed micro-batches."""
