"""Companies' identity providers: their settings, and OpenID Connect."""
