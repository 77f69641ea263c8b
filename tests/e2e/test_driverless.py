"""CUPS prints without a driver through the service of printers: each option, and what arrives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
