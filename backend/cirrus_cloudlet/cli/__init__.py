"""The command `cirrus-cloudlet`."""
