"""Keys and values that attention looks back at.

The prompt of a group is kept once and read by all its completions; each completion adds rows of
its own. Blocks grow by doubling, so a long `max_tokens` costs nothing until it is used.
"""

import torch

from svc_serve.cpu.architecture import Architecture

_FIRST_CAPACITY = 64


class KvBlock:
    """Keys and values of `rows` sequences of one common length, over all layers."""

    def __init__(
        self,
        architecture: Architecture,
        *,
        rows: int,
        capacity: int = _FIRST_CAPACITY,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.rows = rows
        self.length = 0
        """Tokens whose keys and values are complete in every layer."""
        # [layer, keys or values, row, kv head, token, head_dim]
        self._data = torch.empty(
            (architecture.layers, 2, rows, architecture.kv_heads, capacity, architecture.head_dim),
            dtype=dtype,
            device=device,
        )

    @property
    def capacity(self) -> int:
        return self._data.shape[4]

    @property
    def nbytes(self) -> int:
        return self._data.nbytes

    def reserve(self, length: int) -> None:
        """Make room for `length` tokens."""
        if length <= self.capacity:
            return
        shape = list(self._data.shape)
        shape[2], shape[4] = self.rows, max(length, 2 * self.capacity)
        grown = self._data.new_empty(shape)
        grown[..., : self.length, :] = self._data[:, :, : self.rows, :, : self.length]
        self._data = grown

    def extend(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one layer's new tokens behind `length`, which stays until `advance`.

        Args:
            layer: Number of the layer.
            keys: [row, kv head, new token, head_dim].
            values: The same shape.

        Returns:
            All keys and all values of the layer, [row, kv head, token, head_dim].
        """
        end = self.length + keys.shape[2]
        data = self._data[layer, :, : self.rows]
        data[0, :, :, self.length : end] = keys
        data[1, :, :, self.length : end] = values
        return data[0, :, :, :end], data[1, :, :, :end]

    def read(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of one layer, [row, kv head, token, head_dim]."""
        data = self._data[layer, :, : self.rows, :, : self.length]
        return data[0], data[1]

    def beginning(self, tokens: int) -> torch.Tensor:
        """The first tokens of the first row, for `begin_with`."""
        return self._data[:, :, :1, :, :tokens]

    def begin_with(self, beginning: torch.Tensor) -> None:
        """Start with what another block computed."""
        self.length = beginning.shape[4]
        self._data[..., : self.length, :] = beginning

    def advance(self, tokens: int) -> None:
        """The last forward pass has extended every layer by `tokens`."""
        self.length += tokens

    def drop(self, row: int) -> None:
        """Forget a row; the last row takes its place."""
        self.rows -= 1
        if row != self.rows:
            data = self._data[..., : self.length, :]
            data[:, :, row] = data[:, :, self.rows]
