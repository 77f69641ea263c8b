"""The doctor: what can be wrong with printing, each check with the next step if it is.

A check is a function of facts that yields findings; `examination` finds the facts.
"""
