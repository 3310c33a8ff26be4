"""A small multi-LoRA engine over Hugging Face weights, several times faster than `generate`.

`core.EngineCore` is the synchronous engine (one `step` per token of every running completion);
`engine.CpuEngine` runs it in a thread of its own behind the `Engine` protocol.
"""
