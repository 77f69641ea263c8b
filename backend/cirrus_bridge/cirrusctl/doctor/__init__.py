"""The doctor finds out why nothing prints.

A check is a function of facts that yields findings. `examination` collects the facts.
"""
