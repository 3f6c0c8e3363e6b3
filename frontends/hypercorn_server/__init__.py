"""What hypercorn lacks, for nodes and for the view service, which needs nothing else that nodes need."""
