"""IPP: the values, attributes and messages of both ends (RFC 8010, RFC 8011)."""
