"""Commands on several machines, over ssh."""
