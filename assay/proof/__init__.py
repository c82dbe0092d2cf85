"""Evidence and its judge, one scheme per file."""
