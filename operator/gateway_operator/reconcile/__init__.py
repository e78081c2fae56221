"""One gateway at a time: read it, compile it, write what differs, and say how it stands."""
