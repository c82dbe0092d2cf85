"""What both sides share, said and signed: no files, no network, no torch."""
