"""Programs that a measurement starts: clients, other stores, and the least that a server can do."""
