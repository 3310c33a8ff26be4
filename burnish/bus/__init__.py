"""The event bus: contracts in `topology`, everything else behind `Bus`."""

from burnish.bus import topology
from burnish.bus.bus import Bus
from burnish.bus.consume import HandBack
from burnish.bus.kv import Bucket, Change
from burnish.bus.log import Entry

__all__ = ["Bucket", "Bus", "Change", "Entry", "HandBack", "topology"]
