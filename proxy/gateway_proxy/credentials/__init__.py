"""What requests to clouds are signed or sent with: each cloud's own library fetches it, imported only where a binding
needs it, and nothing of it waits on the event loop."""
