"""Print jobs as CUPS and the journal know them."""
