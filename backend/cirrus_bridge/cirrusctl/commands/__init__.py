"""The commands of cirrusctl, one a module: arguments and output, the work is done elsewhere."""
