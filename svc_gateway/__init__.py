"""The gateway: one set of use cases behind gRPC, the OpenAI-compatible HTTP surface and the console.

Its resources (files, rewards, jobs) are the contract's messages as the bucket keeps them, so there
is no second shape of them to drift. Everything that is only a view is a projection in SQL.
"""
