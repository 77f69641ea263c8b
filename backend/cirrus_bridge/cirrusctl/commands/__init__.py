"""The commands of cirrusctl, one in each module: their arguments and output."""
