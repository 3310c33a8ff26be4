"""The learner: scored groups in, LoRA adapters out."""
