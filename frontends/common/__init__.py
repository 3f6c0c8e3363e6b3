"""What both frontends need, once: settings, the HTTP mapping, the node around the replica, the logs."""
