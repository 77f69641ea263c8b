"""Companies, locations and devices."""
