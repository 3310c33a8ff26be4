"""pip packages of rewards: resolved once into a layer named by what it holds."""

from collections.abc import Sequence

from burnish.errors import UserError


class Packages:
    """Installs layers."""

    async def layer(self, requirements: Sequence[str]) -> str:
        """Digest of the layer with `requirements`; "" for none.

        Raises:
            UserError: they cannot be resolved.
        """
        if requirements:
            raise UserError("packages cannot be installed yet", field="packages")
        return ""
