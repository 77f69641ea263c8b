"""The configuration folder and the queue URI."""
