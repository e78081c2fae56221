"""What goes out to hosts that operators name: the guard on every connection, and a client for our own requests."""
