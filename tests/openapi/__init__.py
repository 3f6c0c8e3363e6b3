"""The OpenAPI document against the code, and the nodes against the document."""
