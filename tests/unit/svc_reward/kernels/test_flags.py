"""The hacks that are documented are the ones that are recognised."""

import re
from pathlib import Path

from svc_reward.lane.kernels.flags import Flag

DOCUMENT = Path(__file__).parents[4] / "docs" / "rewards.md"


def test_every_flag_is_documented_with_its_meaning() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("### Flags\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \| \S", section, re.MULTILINE)
    assert [flag.value for flag in Flag if flag.value not in documented] == []
