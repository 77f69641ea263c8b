"""The queues of this machine: found, declared, applied."""
