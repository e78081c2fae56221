"""What happens on an event: some gateways are put into the queue, and nothing else. One file for each kind watched."""
