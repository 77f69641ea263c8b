"""The version of the bridge and of the embedded cloud. Nothing else states the version.

The cloud imports nothing of the bridge, so its module of this name is a link to this file.
"""

__version__ = "0.1.0"
