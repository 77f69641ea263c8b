"""Print jobs, joined from CUPS and the journal."""
