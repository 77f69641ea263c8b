"""Following accepted documents to their end: the schedule of queries, and the poller's loop."""
