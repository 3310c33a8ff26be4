"""Multi-LoRA token engine: answers generation and OpenAI requests for one base model."""
