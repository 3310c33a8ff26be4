"""Kernels of every kind, judged by the `triton` preset in real lanes of each backend.

All cases go through one batch per backend: what is tested is each verdict, and that no case, however
hostile, changes another's.
"""

import asyncio
import json
from typing import Any

import pytest

from burnish.reward_spec import TRITON, RewardDefinition
from svc_reward import grade
from svc_reward.config import RewardSettings
from tests.kernels import suite
